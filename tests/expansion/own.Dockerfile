FROM debian:bookworm-slim
COPY Cargo.toml /etc/expansion.toml
