# shellcheck shell=bash
# A PostgreSQL server of the tests' own, with a database per caller. Sourced; needs common.sh, packages.sh, engine.sh.
#
# It listens on 127.0.0.1 and on the address under which containers of the engine's bridge see this machine.

POSTGRES_USER=flow
# The server refuses to be root, and its user cannot enter a work tree in root's home: it sees its folder as /mnt.
# shellcheck disable=SC2016 # for the inner shell
AS_POSTGRES=(unshare --mount bash -c 'mount --bind "$1" /mnt && shift && exec setpriv --reuid postgres --regid postgres \
    --clear-groups "$@"' - "$STATE/postgres")

# postgres_database NAME DOCKER...: starts the server if it does not run, makes NAME an empty database, whatever it held,
# and prints its URL for programs of this machine and, in the second line, for containers.
# DOCKER... is the command that talks to the engine.
postgres_database() {
    local name=$1 gateway password port
    shift
    [[ $name =~ ^[a-z][a-z0-9_]*$ ]] || fail "a database's name is lower-case letters, digits and _: '$name'"
    [[ $(id -u) == 0 ]] || fail "the tests' PostgreSQL server is started by root"
    require_packages postgres
    gateway=$("$@" network inspect bridge --format '{{(index .IPAM.Config 0).Gateway}}') ||
        fail "the engine does not say its bridge's address"
    # Another bridge than it was started for: the engine has a new one.
    if ! postgres_answers || [[ $(cat "$STATE/postgres.gateway") != "$gateway" ]]; then
        halt postgres INT
        postgres_up "$gateway"
    fi
    postgres_sql "DROP DATABASE IF EXISTS $name WITH (FORCE)"
    postgres_sql "CREATE DATABASE $name"
    password=$(cat "$STATE/postgres.password")
    port=$(cat "$STATE/postgres.port")
    echo "postgresql://$POSTGRES_USER:$password@127.0.0.1:$port/$name"
    echo "postgresql://$POSTGRES_USER:$password@$gateway:$port/$name"
}

postgres_up() {
    local gateway=$1 dir=$STATE/postgres
    mkdir -p "$dir"
    if [[ ! -e $dir/made ]]; then
        rm -rf "$dir/data"
        install -d -o postgres -g postgres -m 700 "$dir/data"
        od -An -N12 -tx1 /dev/urandom | tr -d ' \n' >"$STATE/postgres.password"
        install -o postgres -m 600 "$STATE/postgres.password" "$dir/password"
        "${AS_POSTGRES[@]}" "$(postgres_bin)/initdb" --pgdata /mnt/data --username "$POSTGRES_USER" --pwfile /mnt/password \
            --auth scram-sha-256 --encoding UTF8 --locale C.UTF-8 --no-sync >"$STATE/initdb.log" 2>&1 || {
            tail -n 20 "$STATE/initdb.log" >&2
            fail "initdb failed (log: $STATE/initdb.log)"
        }
        rm "$dir/password"
        touch "$dir/made"
    fi
    free_port >"$STATE/postgres.port"
    echo "$gateway" >"$STATE/postgres.gateway"
    printf 'host all all %s scram-sha-256\n' 127.0.0.1/32 "$gateway/16" >"$dir/data/pg_hba.conf"
    # Nothing here is worth a wait for the disk.
    spawn postgres "${AS_POSTGRES[@]}" "$(postgres_bin)/postgres" -D /mnt/data \
        -c listen_addresses="127.0.0.1,$gateway" -c port="$(cat "$STATE/postgres.port")" \
        -c unix_socket_directories= -c fsync=off -c full_page_writes=off -c max_connections=200
    if ! await 30 postgres_answers; then
        tail -n 20 "$STATE/postgres.log" >&2
        fail "PostgreSQL does not answer (log: $STATE/postgres.log)"
    fi
}

postgres_bin() { printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1; }

postgres_answers() { running postgres && postgres_sql 'SELECT 1' >/dev/null; }

# As the owner of everything, over the same way as the tests.
postgres_sql() {
    PGPASSWORD=$(cat "$STATE/postgres.password") "$(postgres_bin)/psql" -qAtX -v ON_ERROR_STOP=1 -h 127.0.0.1 \
        -p "$(cat "$STATE/postgres.port")" -U "$POSTGRES_USER" -d postgres -c 'SET client_min_messages = error' -c "$1"
}
