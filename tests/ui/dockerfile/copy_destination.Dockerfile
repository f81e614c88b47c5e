FROM debian:12
COPY Cargo.toml
COPY Cargo.toml README.md /x
