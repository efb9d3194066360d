#!/usr/bin/env bash
# Makes .venv ready: scripts/setup.sh demo|test. Says everything on standard error.
#
# demo: what running Offhook takes. test: the developers' tools and the test peers as well.
# As root, Debian packages that are missing are installed; otherwise the apt line is named.
# Done once, it costs milliseconds: a stamp holds the hash of all that it depends on.
set -euo pipefail
exec 1>&2

cd "$(dirname "${BASH_SOURCE[0]}")/.."
aim=${1:-test}
case "$aim" in
demo) lock=requirements.lock ;;
test) lock=requirements-dev.lock ;;
*)
    echo "usage: scripts/setup.sh demo|test"
    exit 2
    ;;
esac

has() { command -v "$1" >/dev/null; }

postgres_is_there() { has initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; }

python_is_there() {
    has "${PYTHON:-python3}" && "${PYTHON:-python3}" -c 'import ensurepip, venv' 2>/dev/null
}

missing_packages() {
    if [[ ! -x .venv/bin/pip ]]; then
        python_is_there || echo python3-venv
    fi
    [[ $aim == test ]] || return 0
    has sipp || echo sip-tester
    has baresip || echo baresip-core
    has espeak-ng || echo espeak-ng
    has redis-server || echo redis-server
    has openssl || echo openssl
    postgres_is_there || echo postgresql
    has gcc || echo gcc
    [[ -e /usr/include/stdio.h ]] || echo libc6-dev
}

install_packages() {
    local line="apt-get install -y --no-install-recommends $*"
    if ! has apt-get; then
        echo "setup: missing here, under Debian's names: $*"
        exit 1
    fi
    if [[ $(id -u) != 0 ]]; then
        echo "setup: packages are missing. As root:"
        echo "    apt-get update && $line"
        exit 1
    fi
    echo "setup: installing $*"
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive $line -q
}

make_venv() {
    local python=${PYTHON:-python3}
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        echo "setup: Python 3.11 or later is needed, $python is $("$python" --version 2>&1)"
        echo "setup: name another one: make setup PYTHON=python3.12"
        exit 1
    fi
    echo "setup: making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
}

mapfile -t missing < <(missing_packages)
if ((${#missing[@]})); then
    install_packages "${missing[@]}"
fi

stamp=.venv/.setup-$aim
wanted=$({ pwd && cat scripts/setup.sh pyproject.toml "$lock"; } | sha256sum)
if [[ -x .venv/bin/offhook && -f $stamp && $(<"$stamp") == "$wanted" ]]; then
    exit 0
fi

# Two at once (make demo beside make test) wait for each other.
exec 9>.setup.lock
flock 9
.venv/bin/python -c 'import pip' 2>/dev/null || make_venv
echo "setup: installing from $lock"
pip=(.venv/bin/python -m pip --quiet --no-input --disable-pip-version-check install)
"${pip[@]}" --require-hashes -r "$lock"
"${pip[@]}" --no-deps --no-build-isolation -e .
echo "$wanted" >"$stamp"
echo "setup: done"
