FROM debian:12
COPY target/debug /x
