FROM debian:bookworm-slim
ARG VERSION
COPY flowimage.toml /etc/flow.toml
