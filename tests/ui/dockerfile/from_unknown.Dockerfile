FROM golang:1 AS builder
FROM bulider
