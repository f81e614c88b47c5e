ARG VERSION=1.22
ARG REGISTRY
FROM --platform=$BUILDPLATFORM golang:${VERSION}-alpine AS build
ARG TARGETARCH
RUN --mount=type=cache,target=/root/.cache --mount=type=bind,source=.,target=/src,rw --mount=type=secret,id=npm,required=true --network=none go build -o /app .
from build as Test
RUN go test ./...
FROM docker.io/library/debian:12 AS base
ONBUILD COPY --chown=1000:1000 . /app
ONBUILD RUN make
FROM base
COPY --link --from=build --exclude=*.md --parents /app /usr/bin/
COPY --from=0 --chmod=0755 /app /usr/bin/app0
COPY --from=nginx:1.25 /etc/nginx/nginx.conf /nginx.conf
COPY --from=busybox /bin/busybox /bin/busybox
ADD --checksum=sha256:24454f830cdb571e2c4ad15481119c43b3cafd48dd869a9b2945d1036d1dc68d https://example.org/a.tar /a.tar
ADD --keep-git-dir=true https://github.com/moby/buildkit.git#v0.10.1 /buildkit
USER 1000
