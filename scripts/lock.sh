#!/usr/bin/env bash
# Writes requirements.lock and requirements-dev.lock from pyproject.toml. Arguments go to uv,
# for example --upgrade, or --upgrade-package redis.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
[[ -x .venv/bin/uv ]] || .venv/bin/python -m pip --quiet install uv

compile() {
    local out=$1
    shift
    .venv/bin/uv pip compile --quiet --no-config --universal --python-version 3.11 \
        --generate-hashes --no-emit-index-url --no-emit-find-links \
        --custom-compile-command "make lock" "$@" --output-file "$out" pyproject.toml
}

compile requirements.lock --extra build "$@"
compile requirements-dev.lock --extra build --extra dev --constraint requirements.lock "$@"
