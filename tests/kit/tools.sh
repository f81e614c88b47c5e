# shellcheck shell=bash
# Programs from PyPI that look at our work with other eyes. Sourced; needs common.sh and packages.sh.

# tool NAME: prints the path of the program, installed under target/test-cache.
tool() {
    local name=$1 pins home program
    case "$name" in
        kubernetes-validate) pins=('kubernetes-validate==1.37.0') ;;
        # For benchmarks. Without the bounds its client of the engine does not start.
        prefect1) pins=('prefect==1.4.1' 'docker<7' 'requests<2.32' 'urllib3<2' 'setuptools<81') program=python ;;
        *) fail "no such tool: '$name' (there is: kubernetes-validate, prefect1)" ;;
    esac
    home=$CACHE/tools/$name
    pypi "$home" tools "${pins[@]}"
    echo "$home/bin/${program:-$name}"
}

# pypi FOLDER PACKAGES PIN...: an environment of Python with what is pinned, made anew where it has something else.
# PACKAGES is what the system must have for it.
pypi() {
    local home=$1 packages=$2 log=$STATE/pypi-${1##*/}.log
    shift 2
    if [[ $(cat "$home/pins" 2>/dev/null) == "$*" ]]; then return; fi
    require_packages "$packages"
    say "installing $1 from PyPI"
    rm -rf "$home"
    {
        /usr/bin/python3 -m virtualenv -q "$home" &&
            "$home/bin/pip" install -q --disable-pip-version-check "$@"
    } >"$log" 2>&1 || {
        tail -n 20 "$log" >&2
        fail "$1 cannot be installed (log: $log)"
    }
    echo "$*" >"$home/pins"
}
