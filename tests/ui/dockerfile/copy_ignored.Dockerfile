FROM debian:12
COPY CHANGELOG.md README.md examples/config/airports.toml examples/data/flights.csv /x/
