FROM golang:1 AS builder
FROM debian:12
COPY --from=buidler /a /b
