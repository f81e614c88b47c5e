FROM debian:12
COPY --from=late /a /b
FROM debian:12 AS late
