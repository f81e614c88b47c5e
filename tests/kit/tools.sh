# shellcheck shell=bash
# Programs from PyPI that look at our work with other eyes. Sourced; needs common.sh and packages.sh.

# tool NAME: prints the path of the program, installed under target/test-cache.
tool() {
    local name=$1 pin home
    case "$name" in
        kubernetes-validate) pin='kubernetes-validate==1.37.0' ;;
        *) fail "no such tool: '$name' (there is: kubernetes-validate)" ;;
    esac
    home=$CACHE/tools/$name
    if [[ $(cat "$home/pin" 2>/dev/null) != "$pin" ]]; then
        require_packages tools
        say "installing $pin from PyPI"
        rm -rf "$home"
        {
            /usr/bin/python3 -m virtualenv -q "$home" &&
                "$home/bin/pip" install -q --disable-pip-version-check "$pin"
        } >"$STATE/tool-$name.log" 2>&1 || {
            tail -n 20 "$STATE/tool-$name.log" >&2
            fail "$pin cannot be installed (log: $STATE/tool-$name.log)"
        }
        echo "$pin" >"$home/pin"
    fi
    echo "$home/bin/$name"
}
