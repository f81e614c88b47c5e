# shellcheck shell=bash
# The engine at a distance: behind mutual TLS and behind ssh, both on 127.0.0.1. Sourced; needs common.sh, packages.sh.

# remote_up SOCKET: starts what is not running, and prints what a test needs to know as KEY=VALUE:
#   TLS           the port with TLS, as host:port
#   CERTIFICATES  folder of folders for DOCKER_CERT_PATH: good/; mistrusting/, whose ca.pem did not sign the engine's
#                 certificate; stranger/, whose cert.pem the engine's authority did not sign
#   SSH           a folder for PATH: its `ssh` knows the hosts flow-engine, flow-engine-unknown (no key known of it),
#                 flow-engine-locked (it does not know ours), flow-engine-bare (without docker) and flow-engine-dead
#   SSH_PORT      the port of flow-engine
remote_up() {
    local dir=$STATE/remote
    require_packages remote
    if [[ ! -e $dir/made ]]; then
        rm -rf "$dir"
        mkdir -p "$dir"/{good,mistrusting,stranger,bin}
        remote_certificates >"$STATE/openssl.log" 2>&1 || fail "openssl failed (log: $STATE/openssl.log)"
        remote_keys
        touch "$dir/made"
    fi
    running tls || tls_up "$1"
    running sshd || sshd_up "$1"
    echo "TLS=127.0.0.1:$(cat "$STATE/tls.port")"
    echo "CERTIFICATES=$dir"
    echo "SSH=$dir/bin"
    echo "SSH_PORT=$(cat "$STATE/sshd.port")"
}

remote_down() {
    halt tls
    halt sshd
}

tls_up() {
    local dir=$STATE/remote port
    port=$(free_port)
    echo "$port" >"$STATE/tls.port"
    cat >"$dir/stunnel.conf" <<-CONF
	foreground = yes
	pid =
	[engine]
	accept = 127.0.0.1:$port
	connect = $1
	cert = $dir/engine.pem
	key = $dir/engine.key
	CAfile = $dir/good/ca.pem
	verifyChain = yes
	requireCert = yes
	CONF
    spawn tls stunnel4 "$dir/stunnel.conf"
    await 10 port_listens "$port" || fail "stunnel does not listen (log: $STATE/tls.log)"
}

port_listens() { ! port_is_free "$1"; }

# certificate NAME SUBJECT-ALTERNATIVE AUTHORITY: a key and a certificate signed by an authority, in this folder.
certificate() {
    openssl req -x509 -config openssl.cnf -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
        -days 3650 -subj "/CN=flowimage tests" -CA "$3.pem" -CAkey "$3.key" -keyout "$1.key" -out "$1.pem" \
        -addext basicConstraints=critical,CA:FALSE -addext "subjectAltName=$2"
}

authority() {
    [[ -e openssl.cnf ]] || printf '[req]\ndistinguished_name = dn\n[dn]\n' >openssl.cnf
    openssl req -x509 -config openssl.cnf -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
        -days 3650 -subj "/CN=$1" -keyout "$2.key" -out "$2.pem" -addext basicConstraints=critical,CA:TRUE
}

remote_certificates() (
    set -e
    cd "$STATE/remote"
    authority "flowimage tests" authority
    authority "somebody else" other
    # For the address alone: `localhost` is another name.
    certificate engine IP:127.0.0.1 authority
    certificate client DNS:client authority
    certificate intruder DNS:client other
    cp authority.pem good/ca.pem
    cp other.pem mistrusting/ca.pem
    cp authority.pem stranger/ca.pem
    cp client.pem good/cert.pem && cp client.key good/key.pem
    cp client.pem mistrusting/cert.pem && cp client.key mistrusting/key.pem
    cp intruder.pem stranger/cert.pem && cp intruder.key stranger/key.pem
)

remote_keys() {
    local dir=$STATE/remote key
    for key in host user bare locked; do
        ssh-keygen -q -t ed25519 -N '' -C "flowimage tests" -f "$dir/$key"
    done
    {
        cat "$dir/user.pub"
        # shellcheck disable=SC2016 # for the shell of the login
        echo 'command="PATH=/nonexistent; eval \"$SSH_ORIGINAL_COMMAND\"" '"$(cat "$dir/bare.pub")"
    } >"$dir/authorized_keys"
    printf '#!/bin/sh\nexec %s -F %q "$@"\n' "$(command -v ssh)" "$dir/ssh_config" >"$dir/bin/ssh"
    chmod 755 "$dir/bin/ssh"
}

sshd_up() {
    local dir=$STATE/remote port pam=no
    port=$(free_port)
    echo "$port" >"$STATE/sshd.port"
    echo "[127.0.0.1]:$port $(cut -d' ' -f1,2 "$dir/host.pub")" >"$dir/known_hosts"
    # Without PAM sshd lets nobody into an account with a locked password, whatever key it has.
    [[ $(getent shadow "$(id -un)" | cut -d: -f2) != '!'* ]] || pam=yes
    cat >"$dir/sshd_config" <<-CONF
	ListenAddress 127.0.0.1:$port
	HostKey $dir/host
	AuthorizedKeysFile $dir/authorized_keys
	PidFile none
	StrictModes no
	UsePAM $pam
	PasswordAuthentication no
	KbdInteractiveAuthentication no
	PermitRootLogin prohibit-password
	SetEnv DOCKER_HOST=unix://$1
	CONF
    cat >"$dir/ssh_config" <<-CONF
	Host flow-engine-dead
	    Port 1
	Host flow-engine-unknown
	    UserKnownHostsFile /dev/null
	Host flow-engine-locked
	    IdentityFile $dir/locked
	Host flow-engine-bare
	    IdentityFile $dir/bare
	Host flow-engine flow-engine-unknown 127.0.0.1
	    IdentityFile $dir/user
	Host flow-engine flow-engine-*
	    Port $port
	Host flow-engine flow-engine-* 127.0.0.1
	    HostName 127.0.0.1
	    User $(id -un)
	    IdentitiesOnly yes
	    GlobalKnownHostsFile /dev/null
	    UserKnownHostsFile $dir/known_hosts
	CONF
    # sshd wants its empty folder, which Debian's service would have made.
    mkdir -p /run/sshd
    spawn sshd /usr/sbin/sshd -D -e -f "$dir/sshd_config"
    await 10 port_listens "$port" || fail "sshd does not listen (log: $STATE/sshd.log)"
}
