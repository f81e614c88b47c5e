FROM debian:12
EXPOSE 80/tls http 70000 90-80
