FROM debian:12
USER app user
VOLUME [""]
RUN ["a", true]
