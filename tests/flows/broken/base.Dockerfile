FROM debian:bookworm-slim AS tools
RUN true
FROM 127.0.0.1:1/flows/base:1
COPY --from=tools /bin/true /true
