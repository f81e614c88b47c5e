# Written by flowimage from the declaration of a flow; each part names its key.

# base_image
FROM debian:bookworm-slim

# build_args
ARG https_proxy="http://proxy:3128"

# system_dependencies
USER 0:0
RUN --mount=type=cache,id=flowimage-apt,target=/var/cache/flowimage,sharing=locked set -eu; \
    if command -v apt-get > /dev/null; then \
      export DEBIAN_FRONTEND=noninteractive; mkdir -p /var/cache/flowimage/lists/partial /var/cache/flowimage/archives/partial; \
      apt-get -o Dir::State::Lists=/var/cache/flowimage/lists update; \
      apt-get -o Dir::State::Lists=/var/cache/flowimage/lists -o Dir::Cache::Archives=/var/cache/flowimage/archives install -y --no-install-recommends g++ python3-venv unixodbc-dev; \
      rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb /var/cache/apt/*.bin; \
    elif command -v apk > /dev/null; then \
      apk add --no-cache g++ python3-venv unixodbc-dev; \
    elif command -v dnf > /dev/null; then \
      dnf install -y g++ python3-venv unixodbc-dev; \
      dnf clean all; \
    else \
      echo 'flowimage: the base image has none of apt-get, apk and dnf' >&2; \
      exit 127; \
    fi

# python_dependencies
USER 0:0
RUN --mount=type=cache,id=flowimage-pip,target=/var/cache/flowimage --mount=type=tmpfs,target=/var/cache/flowimage/pip/wheels --mount=type=secret,id=TOKEN,required=true --mount=type=secret,id=pip.conf,required=true set -eu; \
    for python in python3.11 python3 python ''; do \
      if [ -z "$python" ]; then echo 'flowimage: the base image has no Python 3.11' >&2; exit 127; fi; \
      if "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2> /dev/null; then break; fi; \
    done; \
    if "$python" -c 'import ensurepip' 2> /dev/null; then \
      "$python" -m venv --system-site-packages /opt/flow/venv; \
      pip='/opt/flow/venv/bin/python -m pip'; \
    elif "$python" -m pip --version > /dev/null 2>&1; then \
      "$python" -m venv --system-site-packages --without-pip /opt/flow/venv; \
      pip="$python -m pip --python /opt/flow/venv/bin/python"; \
    else \
      echo 'flowimage: the Python of the base image has neither ensurepip nor pip' >&2; exit 127; \
    fi; \
    "$python" -c 'import site, sys; sys.prefix == sys.base_prefix or print(*site.getsitepackages(), sep="\n")' \
      > "$(/opt/flow/venv/bin/python -c 'import site; print(site.getsitepackages()[0])')/base.pth"; \
    export PIP_CONFIG_FILE=/run/secrets/pip.conf; \
    $pip install --no-input --disable-pip-version-check --cache-dir=/var/cache/flowimage/pip \
      'pyodbc>=5,<6' \
      'requests[socks]; python_version < '\''4'\'''
ENV VIRTUAL_ENV="/opt/flow/venv" PATH="/opt/flow/venv/bin:$PATH"

# files
COPY [".flowimage/files/etc/odbc.ini", "/etc/odbc.ini"]
COPY [".flowimage/files/opt/a folder/", "/opt/a folder/"]

# env_vars
ENV PYTHONPATH="/opt/modules:${PYTHONPATH}" \
    TDSVER="7.4"

# extra_dockerfile_commands
USER 0:0
RUN --mount=type=secret,id=TOKEN,required=true --mount=type=secret,id=pip.conf,required=true curl -H @/run/secrets/TOKEN https://example.org
EXPOSE 80
RUN --mount=type=secret,id=pip.conf,required=true --mount=type=secret,id=TOKEN true
