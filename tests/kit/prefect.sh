# shellcheck shell=bash
# Prefect servers on PostgreSQL, and their workers, from PyPI. Sourced; needs common.sh, packages.sh, tools.sh,
# postgres.sh.
#
# Everything listens on 127.0.0.1. Python packages are kept under target/test-cache, one environment per version.

PREFECT_VERSION=3.8.8
# The oldest that the tests run.
PREFECT_OLDER=3.4.0

# What is installed with a version. Without the bounds pip takes a FastAPI with which the server does not answer, and an
# SQLAlchemy with which schedules never make runs. 3.4.0 imports importlib_metadata and does not ask for it.
prefect_pins() {
    case "$1" in
        3.8.8) echo 'prefect==3.8.8' 'prefect-docker==0.7.4' 'fastapi<0.151' 'sqlalchemy<2.1' ;;
        3.4.0) echo 'prefect==3.4.0' 'prefect-docker==0.6.4' 'fastapi<0.116' 'sqlalchemy<2.1' importlib-metadata ;;
        *) fail "no pins for Prefect $1" ;;
    esac
}

# prefect_install VERSION: prints the folder of its programs.
prefect_install() {
    local version=$1 home=$CACHE/prefect-$1 pins
    read -ra pins <<<"$(prefect_pins "$version")"
    pypi "$home" prefect "${pins[@]}"
    echo "$home/bin"
}

# prefect_up NAME VERSION DOCKER...: starts a server with an empty database, unless it runs. Settings of Prefect's in the
# environment hold for it.
prefect_up() {
    local name=$1 version=$2 dir=$STATE/prefect-$1 database
    shift 2
    prefect_install "$version" >/dev/null
    if running "prefect-server-$name" && [[ $(cat "$dir/version") == "$version" ]] && prefect_answers "$name"; then
        return
    fi
    halt "prefect-server-$name"
    require_packages postgres
    mkdir -p "$dir"
    # `head` would go away before all is said, and end what says it.
    database=$(postgres_database "prefect_$name" "$@")
    echo "${database%%$'\n'*}" >"$dir/database"
    free_port >"$dir/port"
    echo "$version" >"$dir/version"
    prefect_start "$name"
}

# prefect_start NAME: starts a server on the database and the port it had.
prefect_start() {
    local name=$1 dir=$STATE/prefect-$1 bin database
    [[ -e $dir/version ]] || fail "there is no Prefect server '$name'"
    bin=$(prefect_install "$(cat "$dir/version")")
    database=$(cat "$dir/database")
    spawn "prefect-server-$name" env "${PREFECT_ENV[@]}" PREFECT_HOME="$dir/home" PREFECT_SERVER_UI_ENABLED=false \
        PREFECT_API_DATABASE_CONNECTION_URL="${database/postgresql:/postgresql+asyncpg:}" \
        "$bin/prefect" server start --host 127.0.0.1 --port "$(cat "$dir/port")"
    if ! await 120 prefect_answers "$name"; then
        tail -n 20 "$STATE/prefect-server-$name.log" >&2
        fail "the Prefect server $name does not answer (log: $STATE/prefect-server-$name.log)"
    fi
}

PREFECT_ENV=(PREFECT_SERVER_ANALYTICS_ENABLED=false DO_NOT_TRACK=1 PREFECT_LOGGING_SERVER_LEVEL=WARNING)

prefect_answers() {
    running "prefect-server-$1" && [[ $(prefect_status "$1" /api/health) == 200 ]]
}

prefect_status() { http_status "$(cat "$STATE/prefect-$1/port")" "$2"; }

prefect_url() { echo "http://127.0.0.1:$(cat "$STATE/prefect-$1/port")/api"; }

# prefect_worker NAME POOL KIND SERVER DOCKER_HOST: starts a worker; the pool is made if there is none. Returns when the
# pool is there and the worker looks for runs: what registers before that is told that there is no such pool.
prefect_worker() {
    local name=prefect-worker-$1 pool=$2 kind=$3 server=$4 docker_host=$5 bin
    running "prefect-server-$server" || fail "no Prefect server $server runs"
    if running "$name"; then return; fi
    bin=$(prefect_install "$(cat "$STATE/prefect-$server/version")")
    # Seconds between two looks for runs; as delivered it is 10.
    spawn "$name" env "${PREFECT_ENV[@]}" PREFECT_HOME="$STATE/prefect-$server/home" PREFECT_WORKER_QUERY_SECONDS=1 \
        DOCKER_HOST="$docker_host" PREFECT_API_URL="$(prefect_url "$server")" \
        "$bin/prefect" worker start --name "$1" --pool "$pool" --type "$kind" --install-policy never
    if ! await 120 prefect_worker_works "$name" "$pool" "$server"; then
        tail -n 20 "$STATE/$name.log" >&2
        fail "the worker $1 does not start (log: $STATE/$name.log)"
    fi
}

# A server that wants to know who asks (401) does not say whether the pool is there; its tests make the pool first.
prefect_worker_works() {
    running "$1" || return 1
    grep -q ' started!' "$STATE/$1.log" && [[ $(prefect_status "$3" "/api/work_pools/$2") =~ ^(200|401)$ ]]
}

prefect_down() {
    local pid
    for pid in "$STATE"/prefect-worker-*.pid "$STATE"/prefect-server-*.pid; do
        [[ -e $pid ]] || continue
        halt "$(basename "$pid" .pid)" TERM
    done
}
