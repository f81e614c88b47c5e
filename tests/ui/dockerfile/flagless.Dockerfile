FROM debian:12
CMD --help
WORKDIR --quiet /x
