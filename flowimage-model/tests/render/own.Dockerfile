# syntax=docker/dockerfile:1
FROM debian:12-slim AS base
ARG VERSION=1
USER app

# build_args
ARG VERSION="2"

# system_dependencies
USER 0:0
RUN set -eu; \
    if command -v apt-get > /dev/null; then \
      export DEBIAN_FRONTEND=noninteractive; \
      apt-get update; \
      apt-get install -y --no-install-recommends jq; \
      rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb /var/cache/apt/*.bin; \
    elif command -v apk > /dev/null; then \
      apk add --no-cache jq; \
    elif command -v dnf > /dev/null; then \
      dnf install -y jq; \
      dnf clean all; \
    else \
      echo 'flowimage: the base image has none of apt-get, apk and dnf' >&2; \
      exit 127; \
    fi

# flow
COPY .flowimage/flow /opt/flow/flow
USER app
ENTRYPOINT ["/opt/flow/flow"]
CMD ["run", "nightly-orders"]
