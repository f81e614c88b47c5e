FROM debian:12
RUN apt-get update && \
    # what it needs

    apt-get install -y curl \   
    # and nothing else
    ca-certificates
run echo a\
b

ENV A=1 \
    B="two words" \
    C=three
