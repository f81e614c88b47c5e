FROM debian:12
COPY Cargo.toml <<EOF
x
EOF
