# shellcheck shell=bash
# The images the tests start from, made on this machine: nothing is pulled. Sourced; needs common.sh, engine.sh.

BASE=debian:bookworm-slim
BUSYBOX=flowimage-test/busybox:static
PYTHON=flowimage-test/python:3.11
# Images with this label outlive the tests' own; see sweep_images.
KEEP=flowimage.test.keep

# base_archive: makes (once) the root file system of the Debian base and prints the path of its tar.
base_archive() {
    local tar=$CACHE/bookworm-$(base_recipe_id).tar
    if [[ ! -e $tar ]]; then
        mkdir -p "$CACHE"
        make_base "$tar.new"
        mv "$tar.new" "$tar"
    fi
    echo "$tar"
}

# The cached tar is remade when what goes into it changes: this file, the machine's certificates and package sources.
base_recipe_id() {
    { cat "$KIT/images.sh"; cat "$(ca_bundle)" 2>/dev/null; debian_mirrors; apt_settings; pip_settings; } |
        sha256sum | cut -c1-12
}

make_base() {
    local tar=$1 dir=$STATE/debootstrap mirror file
    say "making the Debian base (once; kept in $CACHE)"
    unmount_under "$dir"
    rm -rf "$dir"
    mkdir -p "$dir"
    mirror=$(debian_mirrors | sed -n 's/^main //p')
    # shellcheck disable=SC2086 # no mirror, no argument: debootstrap knows one
    debootstrap --variant=minbase bookworm "$dir" $mirror >"$STATE/debootstrap.log" 2>&1 || {
        tail -n 20 "$STATE/debootstrap.log" >&2
        fail "debootstrap failed (log: $STATE/debootstrap.log)"
    }
    # What Debian's own slim image leaves out too, and what debootstrap leaves behind.
    rm -rf "$dir"/var/cache/apt/* "$dir"/var/lib/apt/lists/* "$dir"/var/log/{apt,dpkg.log,bootstrap.log,alternatives.log} \
        "$dir"/usr/share/{doc,man,info,locale,lintian}/* "$dir"/dev/* "$dir"/etc/{resolv.conf,hostname}
    mkdir -p "$dir/var/cache/apt/archives/partial"
    # `RUN apt-get` and `RUN pip` reach their registries from a build as they do from this machine.
    if [[ -n $(debian_mirrors) ]]; then
        {
            debian_mirrors | sed -n 's/^main \(.*\)/deb \1 bookworm main\ndeb \1 bookworm-updates main/p'
            debian_mirrors | sed -n 's/^security \(.*\)/deb \1 bookworm-security main/p'
        } >"$dir/etc/apt/sources.list"
    fi
    apt_settings >"$dir/etc/apt/apt.conf.d/90machine"
    printf 'APT::Install-Recommends "0";\nAcquire::Languages "none";\n' >"$dir/etc/apt/apt.conf.d/91image"
    pip_settings >"$dir/etc/pip.conf"
    if [[ -e $(ca_bundle) ]]; then
        mkdir -p "$dir/etc/ssl/certs"
        cp -L "$(ca_bundle)" "$dir/etc/ssl/certs/ca-certificates.crt"
    fi
    # From here the package ca-certificates takes the machine's own authorities, when an image installs it.
    for file in /usr/local/share/ca-certificates/*.crt; do
        [[ ! -e $file ]] || install -D -m 644 "$file" "$dir$file"
    done
    tar --numeric-owner --sort=name -C "$dir" -cf "$tar" .
    rm -rf "$dir"
}

ca_bundle() { echo "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}"; }

# Prints `main URL` and `security URL` as this machine's own sources have them (one-line and deb822 format).
debian_mirrors() {
    local url main='' security=''
    while read -r url; do
        case ${url%/} in
            */debian-security) security=${security:-$url} ;;
            */debian) main=${main:-$url} ;;
        esac
    done < <(sed -n -e 's/^URIs: *//p' -e 's/^deb \(\[[^]]*\] *\)\?\([^ ]*\) .*/\2/p' \
        /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources} 2>/dev/null | tr ' ' '\n')
    [[ -z $main ]] || echo "main $main"
    [[ -z $security ]] || echo "security $security"
}

# How this machine's apt reaches its mirrors: proxies, certificates, clock checks; no credentials.
apt_settings() {
    apt-config dump --no-empty --format '%F "%v";%n' |
        grep -E '^Acquire::(Check|Retries|ForceIPv|https?::(Proxy|CAInfo|CaInfo|Verify|Timeout))' || true
    [[ -z ${http_proxy:-} ]] || echo "Acquire::http::Proxy \"$http_proxy\";"
    [[ -z ${https_proxy:-} ]] || echo "Acquire::https::Proxy \"$https_proxy\";"
}

pip_settings() {
    echo "[global]"
    echo "cert = /etc/ssl/certs/ca-certificates.crt"
    [[ -z ${https_proxy:-} ]] || echo "proxy = $https_proxy"
    [[ -z ${PIP_INDEX_URL:-} ]] || echo "index-url = $PIP_INDEX_URL"
    [[ -z ${PIP_EXTRA_INDEX_URL:-} ]] || echo "extra-index-url = $PIP_EXTRA_INDEX_URL"
    [[ -z ${PIP_TRUSTED_HOST:-} ]] || echo "trusted-host = $PIP_TRUSTED_HOST"
    sed -n 's/^ *\(index-url\|extra-index-url\|trusted-host\|proxy\) *=/\1 =/p' /etc/pip.conf 2>/dev/null || true
}

# import_base DOCKER...: gives an engine the Debian base under the name Docker Hub has for it, if it has none of ours.
# DOCKER... is the command that talks to the engine (docker or podman, with its options).
import_base() {
    local tar
    tar=$(base_archive)
    has_image "$(basename "$tar")" "$BASE" "$@" ||
        "$@" import --change 'CMD ["bash"]' --change "LABEL $KEEP=$(basename "$tar")" "$tar" "$BASE" >/dev/null
}

# has_image KEEP-VALUE IMAGE DOCKER...: is the image there and of this recipe?
has_image() {
    local value=$1 image=$2
    shift 2
    [[ $("$@" image inspect --format "{{index .Config.Labels \"$KEEP\"}}" "$image" 2>/dev/null) == "$value" ]]
}

# A base with a shell and no C library at all.
import_busybox() {
    local dir=$STATE/busybox recipe applet
    recipe=$(cat "$KIT/images.sh" /bin/busybox | sha256sum | cut -c1-12)
    if has_image "$recipe" "$BUSYBOX" "$@"; then return; fi
    rm -rf "$dir"
    mkdir -p "$dir"/{bin,etc,tmp,root}
    chmod 1777 "$dir/tmp"
    cp /bin/busybox "$dir/bin/busybox"
    for applet in $(/bin/busybox --list); do
        # One applet is called like the file itself.
        [[ $applet == busybox ]] || ln -s busybox "$dir/bin/$applet"
    done
    echo 'root:x:0:0:root:/root:/bin/sh' >"$dir/etc/passwd"
    tar --numeric-owner --sort=name -C "$dir" -cf "$dir.tar" .
    "$@" import --change 'CMD ["sh"]' --change 'ENV PATH=/bin' --change "LABEL $KEEP=$recipe" \
        "$dir.tar" "$BUSYBOX" >/dev/null
    rm -rf "$dir" "$dir.tar"
}

# What the official Python image offers: `python`, `pip`, `venv`, and pip free to install into the image.
build_python() {
    local recipe
    recipe=$(cat "$KIT/images.sh" "$(base_archive)" | sha256sum | cut -c1-12)
    if has_image "$recipe" "$PYTHON" "$@"; then return; fi
    say "building $PYTHON (once)"
    "$@" build --label "$KEEP=$recipe" -t "$PYTHON" - >"$STATE/python.log" 2>&1 <<-DOCKERFILE || {
	FROM $BASE
	RUN apt-get update && apt-get install -y python3 python3-venv python3-pip \\
	    && rm -rf /var/lib/apt/lists/* /usr/lib/python3.*/EXTERNALLY-MANAGED \\
	    && ln -s python3 /usr/bin/python
	CMD ["python"]
	DOCKERFILE
        tail -n 20 "$STATE/python.log" >&2
        fail "building $PYTHON failed (log: $STATE/python.log)"
    }
}

# Removes what earlier tests left in an engine of ours: every container, and every image that is not one of the bases.
sweep_images() {
    "$@" container prune -f >/dev/null 2>&1 || true
    "$@" image prune -af --filter "label!=$KEEP" >/dev/null 2>&1 || true
    "$@" builder prune -f --keep-storage 3GB >/dev/null 2>&1 || true
}
