FROM debian:12
COPY --form=a b /c
