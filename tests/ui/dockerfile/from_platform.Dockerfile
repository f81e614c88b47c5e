FROM --platform=linux/ debian:12
