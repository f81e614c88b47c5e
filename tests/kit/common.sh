# shellcheck shell=bash
# Words shared by ./test and tests/kit/env. Sourced.

KIT=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$KIT/../.." && pwd)
# What lives as long as the environment, and what outlives it.
STATE=$ROOT/target/test-env
CACHE=${FLOWIMAGE_TEST_CACHE:-$ROOT/target/test-cache}
# Two work trees on one machine must not meet: bridges, rules and run folders carry this tree's own mark.
MARK=$(printf %s "$ROOT" | sha256sum | cut -c1-8)
# Sockets live here because a socket's path may have 107 bytes, and a work tree's may be longer.
RUN=/run/flowimage-test-$MARK
ENV_FILE=$STATE/env

say() { printf '%s\n' "test kit: $*" >&2; }

# Ends the script; each argument is a line.
fail() {
    printf 'test kit: %s\n' "$1" >&2
    shift
    (($# == 0)) || printf '%s\n' "$@" >&2
    exit 1
}

# Field 22 of /proc/PID/stat: with it a recorded pid cannot be mistaken for a later process with the same number.
start_time() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    stat=${stat##*) }
    # shellcheck disable=SC2086 # splitting into fields is the point
    set -- $stat
    echo "${20}"
}

# spawn NAME COMMAND...: starts a daemon of our own, away from the terminal's signals, its output in a log.
spawn() {
    local name=$1 pid
    shift
    setsid env --default-signal=INT,QUIT "$@" </dev/null >"$STATE/$name.log" 2>&1 9>&- &
    pid=$!
    echo "$pid $(start_time "$pid")" >"$STATE/$name.pid"
}

# running NAME: is the process that `spawn NAME` started still there?
running() {
    local pid started
    read -r pid started 2>/dev/null <"$STATE/$1.pid" || return 1
    [[ $(start_time "$pid") == "$started" ]] && ! grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null
}

# halt NAME [KILL]: ends that process and waits for its end; with KILL it gets no chance to tidy up.
halt() {
    local name=$1 signal=${2:-TERM} pid target tries=0
    if running "$name"; then
        read -r pid _ <"$STATE/$name.pid"
        target=$pid
        # `unshare --fork` holds TERM back; its child, the first process of the namespace, is the one to ask.
        if [[ $signal == TERM && $(cat "/proc/$pid/comm") == unshare ]]; then target=$(child_of "$pid"); fi
        kill -s "$signal" "${target:-$pid}" 2>/dev/null || true
        while running "$name"; do
            sleep 0.05
            tries=$((tries + 1))
            if ((tries == 300)); then kill -s KILL "$pid" 2>/dev/null || true; fi
            ((tries < 400)) || fail "$name (pid $pid) does not end"
        done
    fi
    rm -f "$STATE/$name.pid"
}

# unmount_under DIR: debootstrap mounts /proc in what it makes; removing that tree must not reach into it.
unmount_under() {
    local mounted
    while read -r mounted; do
        umount "$mounted" || umount -l "$mounted"
    done < <(awk -v dir="$1/" 'index($5, dir) == 1 {print $5}' /proc/self/mountinfo | sort -r)
}

child_of() {
    local stat fields
    for stat in /proc/[0-9]*/stat; do
        fields=$(cat "$stat" 2>/dev/null) || continue
        fields=${fields##*) }
        # State and parent are the first two fields after the name.
        if [[ ${fields:2} == "$1 "* ]]; then
            stat=${stat#/proc/}
            echo "${stat%/stat}"
            return
        fi
    done
}

# await SECONDS COMMAND...: runs the command until it succeeds.
await() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || return 1
        sleep 0.1
    done
}

# A port on 127.0.0.1 nobody listens on, below the range the kernel hands out by itself.
free_port() {
    local port
    until port=$((20000 + RANDOM % 10000)) && port_is_free "$port"; do :; done
    echo "$port"
}

port_is_free() {
    ! grep -qsiE "$(printf ':%04X 0+:0000 0A' "$1")" /proc/net/tcp /proc/net/tcp6
}

# http_status PORT PATH: the status of a GET on 127.0.0.1, with nothing but bash.
http_status() {
    local status
    exec 8<>"/dev/tcp/127.0.0.1/$1" || return 1
    printf 'GET %s HTTP/1.0\r\nHost: 127.0.0.1:%s\r\n\r\n' "$2" "$1" >&8
    IFS=' ' read -r -t 5 _ status _ <&8 || return 1
    exec 8>&-
    echo "$status"
}
