# shellcheck shell=bash
# Installs what a layer of the tests needs, or says how to. Sourced; needs common.sh.

# require_packages LAYER...: returns when every command and file of the layers is there.
# As root on Debian the missing packages are installed; anywhere else the command is printed and the script ends.
require_packages() {
    local missing packages
    missing=$(missing_packages "$@")
    [[ -n $missing ]] || return 0
    if ! can_install; then
        packages=$(tr '\n' ' ' <<<"${missing//|*/}")
        fail "the ${*} tests need packages that are not installed. As root on Debian:" \
            "    apt-get update && apt-get install -y --no-install-recommends ${packages% }"
    fi
    install_packages "$missing"
    missing=$(missing_packages "$@")
    [[ -z $missing ]] || fail "still missing after installing: ${missing//$'\n'/ }"
}

# Prints one `package[|other]` per line for what the layers lack.
missing_packages() {
    local layer probe package wanted
    while read -r layer probe package; do
        for wanted in "$@"; do
            [[ $layer == "$wanted" ]] || continue
            if [[ $probe == /* ]]; then
                [[ -e $probe ]] || echo "$package"
            else
                command -v "$probe" >/dev/null || echo "$package"
            fi
        done
    done < <(grep -v -e '^#' -e '^$' "$KIT/packages") | sort -u
}

can_install() {
    [[ $(id -u) == 0 && -e /etc/debian_version ]] && command -v apt-get >/dev/null
}

install_packages() {
    local alternatives name chosen=() before log=$STATE/apt.log
    mkdir -p "$STATE"
    apt_get update >"$log" 2>&1 || { tail -n 20 "$log" >&2; fail "apt-get update failed (whole log: $log)"; }
    while IFS='|' read -ra alternatives; do
        for name in "${alternatives[@]}"; do
            if apt-cache show "$name" >/dev/null 2>&1; then
                chosen+=("$name")
                break
            fi
        done
    done <<<"$1"
    say "installing (apt-get, as root): ${chosen[*]}"
    before=$(enabled_units)
    forbid_service_starts
    if ! apt_get install -y --no-install-recommends "${chosen[@]}" >>"$log" 2>&1; then
        allow_service_starts
        tail -n 20 "$log" >&2
        fail "apt-get install failed (whole log: $log)"
    fi
    allow_service_starts
    disable_units_not_in "$before"
}

apt_get() {
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -o APT::Update::Error-Mode=any "$@" </dev/null
}

# A package's postinst starts its service unless this file says no (101). One that is already there stays as it is.
POLICY=/usr/sbin/policy-rc.d
POLICY_MARK='# made by flowimage tests/kit, removed after apt-get'

forbid_service_starts() {
    [[ ! -e $POLICY ]] || return 0
    printf '#!/bin/sh\n%s\nexit 101\n' "$POLICY_MARK" >"$POLICY"
    chmod 755 "$POLICY"
}

allow_service_starts() {
    if grep -qsF "$POLICY_MARK" "$POLICY"; then rm -f "$POLICY"; fi
}

# What systemd would start at boot, as the links that enable it.
enabled_units() {
    find /etc/systemd/system -type l -path '*.wants/*' 2>/dev/null | sort
}

# The tests start what they need themselves: nothing they installed may run at the next boot.
disable_units_not_in() {
    local link
    comm -13 <(echo "$1") <(enabled_units) | while read -r link; do
        rm -f "$link"
    done
}
