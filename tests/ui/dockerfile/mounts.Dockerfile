FROM debian:12
RUN --mount=type=cash,target=/a b
RUN --mount=type=secret,ident=a b
RUN --mount=type=cache b
RUN --network=bridge a
RUN --security=insecur a
