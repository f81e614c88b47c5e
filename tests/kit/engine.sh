# shellcheck shell=bash
# A private Docker engine. Sourced; needs common.sh.
#
# It runs in PID and mount namespaces of its own: whatever ends its first process ends containerd, the shims and the
# containers with it, and its mounts go when the last of them does. Nothing has to be looked for afterwards but the
# bridge and its rules, which carry this work tree's mark. It shares the network namespace of the machine, because
# tests reach the registries, and the engine pulls from them, on 127.0.0.1.

# engine_up NAME: starts the engine; its socket is $RUN/NAME.sock. The data of an earlier start is kept.
engine_up() {
    local name=$1 dir=$STATE/$1
    mkdir -p "$dir/data" "$RUN"
    chmod 700 "$RUN"
    bridge_up
    # An engine with old data gives the bridge the subnet of its last start, for which there is no rule.
    rm -rf "$dir/data/network"
    echo '{}' >"$dir/daemon.json"
    # Rules of our own (bridge_up) instead of dockerd's: its chains belong to the machine's engine, if there is one.
    # The containers' cgroup carries our mark.
    spawn "$name" unshare --mount --propagation slave --pid --fork --kill-child --mount-proc \
        bash "$KIT/engine-init.sh" \
        dockerd --config-file "$dir/daemon.json" --host "unix://$RUN/$name.sock" --group root \
        --data-root "$dir/data" --exec-root "$RUN/$name" --pidfile "$RUN/$name.dockerd.pid" \
        --bridge "$BRIDGE" --iptables=false --ip6tables=false --ip-forward=false \
        --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "flowimage-test-$MARK" --shutdown-timeout 2
    if ! await 30 engine_answers "$name"; then
        tail -n 20 "$STATE/$name.log" >&2
        fail "the private engine does not answer (log: $STATE/$name.log)"
    fi
}

engine_answers() {
    running "$1" && engine_docker "$1" version >/dev/null 2>&1
}

engine_docker() {
    local name=$1
    shift
    DOCKER_HOST=unix://$RUN/$name.sock DOCKER_CONFIG=$STATE/docker-config docker "$@"
}

# engine_down NAME: stops the containers, then the engine.
engine_down() {
    local name=$1 containers
    if engine_answers "$name" 2>/dev/null; then
        containers=$(engine_docker "$name" ps -aq) || containers=
        # shellcheck disable=SC2086 # one argument per container
        [[ -z $containers ]] || engine_docker "$name" rm -f -v $containers >/dev/null 2>&1 || true
    fi
    halt "$name"
    rm -rf "${RUN:?}/$name" "$RUN/$name.sock" "$RUN/$name.dockerd.pid"
    remove_cgroups
}

# An engine that was killed leaves the (empty) cgroups of its containers.
remove_cgroups() {
    local top
    for top in /sys/fs/cgroup/"flowimage-test-$MARK" /sys/fs/cgroup/*/"flowimage-test-$MARK"; do
        [[ ! -d $top ]] || find "$top" -depth -type d -exec rmdir {} \; 2>/dev/null || true
    done
}

BRIDGE=fit-$MARK

# A bridge with a subnet that no route of this machine covers, and the way out of it.
bridge_up() {
    local net
    [[ ! -e /sys/class/net/$BRIDGE ]] || return 0
    for net in 172.{18..31}.200 10.{200..250}.200 192.168.{200..250}; do
        subnet_taken "$net" || break
    done
    ip link add "$BRIDGE" type bridge
    ip addr add "$net.1/24" dev "$BRIDGE"
    ip link set "$BRIDGE" up
    cat /proc/sys/net/ipv4/ip_forward >"$STATE/ip_forward"
    echo 1 >/proc/sys/net/ipv4/ip_forward
    iptables -w -t nat -A POSTROUTING -s "$net.0/24" ! -o "$BRIDGE" -m comment --comment "$BRIDGE" -j MASQUERADE
    iptables -w -I FORWARD -i "$BRIDGE" -m comment --comment "$BRIDGE" -j ACCEPT
    iptables -w -I FORWARD -o "$BRIDGE" -m comment --comment "$BRIDGE" -j ACCEPT
}

# subnet_taken A.B.C: does a route of this machine, but the default one, lie in or over A.B.C.0/24?
subnet_taken() {
    # Not `grep -q`: it would leave at the first line, and pipefail turn the broken pipe of `ip` into "not taken".
    { ip -4 route list root "$1.0/24"; ip -4 route list match "$1.1"; } | grep -v '^default' >/dev/null
}

bridge_down() {
    local table rule
    for table in nat filter; do
        iptables -w -t "$table" -S 2>/dev/null | grep -F -- "--comment $BRIDGE" | while read -r _ rule; do
            # shellcheck disable=SC2086 # the rule's own words
            iptables -w -t "$table" -D $rule
        done || true
    done
    [[ ! -e /sys/class/net/$BRIDGE ]] || ip link delete "$BRIDGE"
    # Somebody else may have come to rely on forwarding meanwhile: it is turned off again only when no other bridge
    # of ours is left.
    if [[ -e $STATE/ip_forward ]] && ! compgen -G '/sys/class/net/fit-*' >/dev/null; then
        cat "$STATE/ip_forward" >/proc/sys/net/ipv4/ip_forward
    fi
    rm -f "$STATE/ip_forward"
}
