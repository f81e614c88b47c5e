FROM debian:12
COPY --form=x:1 /a /b
COPY --chown /a /b
COPY --chown=a --chown=b Cargo.toml /b
COPY --link=yes Cargo.toml /b
COPY --chmod=rwx Cargo.toml /b
