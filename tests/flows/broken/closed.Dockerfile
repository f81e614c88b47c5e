FROM debian:bookworm-slim
RUN rm -f /etc/apt/sources.list.d/* && echo 'deb http://127.0.0.1:9/debian bookworm main' > /etc/apt/sources.list
RUN echo 'Acquire::http::Proxy "DIRECT"; Acquire::Retries "0";' > /etc/apt/apt.conf.d/99direct
