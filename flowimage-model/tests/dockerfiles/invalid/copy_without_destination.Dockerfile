FROM debian:12
COPY \
  only
