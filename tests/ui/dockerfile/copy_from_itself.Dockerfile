FROM debian:12 AS me
COPY --from=me /a /b
