FROM debian:12
HEALTHCHECK --interval=30 --timeout=soon --start-period=1us --retries=few --intervall=5s CMD true
