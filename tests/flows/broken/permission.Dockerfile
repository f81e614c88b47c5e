FROM debian:bookworm-slim
RUN useradd app
USER app
RUN apt-get update
