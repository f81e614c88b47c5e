FROM debian:bookworm-slim
RUN rm -f /etc/apt/sources.list.d/* && echo 'deb http://mirror.invalid/debian bookworm main' > /etc/apt/sources.list
RUN echo 'Acquire::http::Proxy "DIRECT"; Acquire::Retries "0";' > /etc/apt/apt.conf.d/99direct
