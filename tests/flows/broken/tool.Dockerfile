FROM debian:bookworm-slim
RUN true && \
    make all
