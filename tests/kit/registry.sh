# shellcheck shell=bash
# Registries on 127.0.0.1: one open to all, one that wants a password, one with TLS. Sourced; needs common.sh and, for
# certificates, remote.sh.

# Every character that has broken somebody's encoding: `:` splits user and password, `?>~` and bytes beyond ASCII
# give the `+` and `/` that tell base64's two alphabets apart, the rest is special to shells, JSON and URLs.
AUTH_USER="flow.user@tests"
AUTH_PASSWORD="p:?>~ÿ/+\"\$'%41 &é"

# registry_up NAME: starts the registry; its port is in $STATE/NAME.port and stays the same
# from start to start while nobody else takes it.
registry_up() {
    local name=$1 port tries
    mkdir -p "$STATE/$name"
    for tries in 1 2 3 4 5; do
        port=$(cat "$STATE/$name.port" 2>/dev/null) || port=
        if [[ -z $port ]] || ((tries > 1)) || ! port_is_free "$port"; then port=$(free_port); fi
        echo "$port" >"$STATE/$name.port"
        write_registry_config "$name" "$port"
        spawn "$name" docker-registry serve "$STATE/$name.yml"
        if await 10 registry_answers "$name"; then return; fi
        halt "$name"
    done
    tail -n 20 "$STATE/$name.log" >&2
    fail "registry $name does not answer (log: $STATE/$name.log)"
}

# tls_registry: starts the registry with TLS, if it does not run, and prints KEY=VALUE:
#   PORT    of the registry; its certificate is for 127.0.0.1
#   CA      the certificate of who signed it, made here and trusted by nobody
#   OTHER   that of who did not
tls_registry() {
    local dir=$STATE/tls-registry-certificates
    require_packages tls
    if [[ ! -e $dir/made ]]; then
        rm -rf "$dir"
        mkdir -p "$dir"
        tls_registry_certificates "$dir" >"$STATE/openssl.log" 2>&1 ||
            fail "openssl failed (log: $STATE/openssl.log)"
        touch "$dir/made"
    fi
    registry_answers tls-registry || { halt tls-registry; registry_up tls-registry; }
    echo "PORT=$(cat "$STATE/tls-registry.port")"
    echo "CA=$dir/authority.pem"
    echo "OTHER=$dir/other.pem"
}

tls_registry_certificates() (
    set -e
    cd "$1"
    authority "flowimage tests" authority
    authority "somebody else" other
    certificate registry IP:127.0.0.1 authority
)

# Listening is not enough: another process may have been quicker on this port.
registry_answers() {
    local wanted=200
    case $1 in
        auth-registry) wanted=401 ;;
        # What a server with TLS says to plain http; nobody else on this port would.
        tls-registry) wanted=400 ;;
    esac
    running "$1" && [[ $(http_status "$(cat "$STATE/$1.port")" /v2/) == "$wanted" ]]
}

write_registry_config() {
    local name=$1 port=$2
    cat >"$STATE/$name.yml" <<-YAML
	version: 0.1
	log:
	  level: warn
	storage:
	  filesystem:
	    rootdirectory: $STATE/$name
	  delete:
	    enabled: true
	http:
	  addr: 127.0.0.1:$port
	YAML
    if [[ $name == tls-registry ]]; then
        cat >>"$STATE/$name.yml" <<-YAML
		  tls:
		    certificate: $STATE/tls-registry-certificates/registry.pem
		    key: $STATE/tls-registry-certificates/registry.key
		YAML
    fi
    if [[ $name == auth-registry ]]; then
        printf %s "$AUTH_PASSWORD" | htpasswd -inB "$AUTH_USER" >"$STATE/htpasswd"
        cat >>"$STATE/$name.yml" <<-YAML
		auth:
		  htpasswd:
		    realm: flowimage tests
		    path: $STATE/htpasswd
		YAML
    fi
}
