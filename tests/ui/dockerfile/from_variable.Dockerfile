FROM debian:$TAG
