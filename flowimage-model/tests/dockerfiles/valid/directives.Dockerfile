# EsCaPe = `
# syntax=docker/dockerfile:1
# check=skip=all
FROM mcr.microsoft.com/windows/nanoserver:ltsc2022
COPY app\ C:\app\
RUN echo one && `
    echo two
WORKDIR C:\app\
