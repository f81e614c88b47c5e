FROM scratch
MAINTAINER Somebody <somebody@example.org>
ENV LEGACY a value with = and "quotes"
ENV A=b C="d e" F='$G' H=i\ j
LABEL "com.example.vendor"="ACME \"Inc\"" version=1.0 description="several \
lines"
LABEL legacy form
ARG NAME
ARG ONE=1 TWO="2 3"
ADD ["a b.txt", "c.txt", "/with blanks/"]
VOLUME /data /logs
VOLUME ["/more"]
EXPOSE 80 443/tcp 8000-8010/udp $PORT
STOPSIGNAL SIGRTMIN+3
SHELL ["/bin/sh", "-ec"]
HEALTHCHECK --interval=5m --timeout=3s --start-period=1m30s --start-interval=500ms --retries=3 CMD curl -f http://localhost/ || exit 1
HEALTHCHECK NONE
WORKDIR /a b
USER "name":group
RUN [ -f /etc/passwd ] && echo yes || true
RUN ["/bin/sh", "-c", "cat <<EOF"]
ENTRYPOINT exec top -b
CMD ["-H", "\u00e9"]
