FROM debian:12
COPY ['a', '/b']
ADD ["a", 1]
