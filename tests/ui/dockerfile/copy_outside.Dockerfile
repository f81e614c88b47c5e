FROM debian:12
COPY ../secret /x
