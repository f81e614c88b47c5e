#!/usr/bin/env bash
# First process of an engine's namespaces: starts the engine given as arguments, reaps what its shims leave behind,
# and passes on the request to stop. When it ends, the kernel ends everything else in the namespace.
set -euo pipefail

# Shims keep their sockets in a fixed place, and the engine a key: give both places that go with the mount namespace.
for shared in /run/containerd /etc/docker; do
    mkdir -p "$shared"
    mount -t tmpfs tmpfs "$shared"
done

"$@" &
engine=$!
trap 'kill -TERM "$engine" 2>/dev/null || true' TERM INT
status=0
while kill -0 "$engine" 2>/dev/null; do
    status=0
    wait "$engine" || status=$?
done
exit "$status"
