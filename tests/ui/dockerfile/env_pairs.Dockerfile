FROM debian:12
ENV A
ENV A=b c
LABEL =x
ENV B="c
ARG =d
