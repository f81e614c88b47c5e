# shellcheck shell=bash
# A Prefect server on PostgreSQL, and its workers, from PyPI. Sourced; needs common.sh, packages.sh, tools.sh, postgres.sh.
#
# Everything listens on 127.0.0.1. Python packages are kept under target/test-cache, one environment per version.

PREFECT_VERSION=3.8.8

# What is installed with a version. Without the bounds pip takes a FastAPI with which the server does not start, and an
# SQLAlchemy with which schedules never make runs.
prefect_pins() {
    case "$1" in
        3.8.8) echo 'prefect==3.8.8' 'prefect-docker==0.7.4' 'fastapi<0.151' 'sqlalchemy<2.1' ;;
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

# prefect_up VERSION DOCKER...: starts a server with an empty database; another version's is stopped first.
prefect_up() {
    local version=$1 bin database port
    shift
    bin=$(prefect_install "$version")
    if running prefect-server && [[ $(cat "$STATE/prefect.version") == "$version" ]] && prefect_answers; then return; fi
    prefect_down
    require_packages postgres
    database=$(postgres_database prefect "$@" | head -n 1)
    port=$(free_port)
    echo "$port" >"$STATE/prefect.port"
    echo "$version" >"$STATE/prefect.version"
    spawn prefect-server env "${PREFECT_ENV[@]}" PREFECT_SERVER_UI_ENABLED=false \
        PREFECT_API_DATABASE_CONNECTION_URL="${database/postgresql:/postgresql+asyncpg:}" \
        "$bin/prefect" server start --host 127.0.0.1 --port "$port"
    if ! await 120 prefect_answers; then
        tail -n 20 "$STATE/prefect-server.log" >&2
        fail "the Prefect server does not answer (log: $STATE/prefect-server.log)"
    fi
}

PREFECT_ENV=(PREFECT_HOME="$STATE/prefect-home" PREFECT_SERVER_ANALYTICS_ENABLED=false DO_NOT_TRACK=1
    PREFECT_LOGGING_SERVER_LEVEL=WARNING)

prefect_answers() {
    running prefect-server && [[ $(http_status "$(cat "$STATE/prefect.port")" /api/health) == 200 ]]
}

# prefect_worker NAME POOL KIND DOCKER_HOST: starts a worker; the pool is made if there is none. Returns when the pool is
# there and the worker looks for runs: what registers before that is told that there is no such pool.
prefect_worker() {
    local name=prefect-worker-$1 pool=$2 kind=$3 docker_host=$4 bin
    running prefect-server || fail "no Prefect server runs"
    if running "$name"; then return; fi
    bin=$(prefect_install "$(cat "$STATE/prefect.version")")
    # Seconds between two looks for runs; as delivered it is 10.
    spawn "$name" env "${PREFECT_ENV[@]}" PREFECT_WORKER_QUERY_SECONDS=1 DOCKER_HOST="$docker_host" \
        PREFECT_API_URL="http://127.0.0.1:$(cat "$STATE/prefect.port")/api" \
        "$bin/prefect" worker start --name "$1" --pool "$pool" --type "$kind" --install-policy never
    if ! await 120 prefect_worker_works "$name" "$pool"; then
        tail -n 20 "$STATE/$name.log" >&2
        fail "the worker $1 does not start (log: $STATE/$name.log)"
    fi
}

prefect_worker_works() {
    running "$1" || return 1
    grep -q ' started!' "$STATE/$1.log" &&
        [[ $(http_status "$(cat "$STATE/prefect.port")" "/api/work_pools/$2") == 200 ]]
}

prefect_down() {
    local pid
    for pid in "$STATE"/prefect-worker-*.pid; do
        [[ -e $pid ]] || continue
        halt "$(basename "$pid" .pid)" TERM
    done
    halt prefect-server
}
