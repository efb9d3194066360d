#!/usr/bin/env bash
# Writes secrets/*.env for compose.yaml: passwords of this machine, readable by their owner only.
# What is there stays as it is.
set -euo pipefail
umask 077

cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p secrets

word() { od -An -N18 -tx1 /dev/urandom | tr -d ' \n'; }

put() {
    if [[ -e secrets/$1 ]]; then
        echo "secrets/$1 is there already"
    else
        printf '%s\n' "${@:2}" >"secrets/$1"
        echo "secrets/$1 written"
    fi
}

if [[ -e secrets/postgres.env && ! -e secrets/offhook.env ]]; then
    postgres=$(sed -n 's/^POSTGRES_PASSWORD=//p' secrets/postgres.env)
else
    postgres=$(word)
fi
put postgres.env "POSTGRES_PASSWORD=$postgres"
if [[ -e secrets/redis.env ]]; then
    redis=$(sed -n 's/^REDIS_PASSWORD=//p' secrets/redis.env)
else
    redis=$(word)
fi
put redis.env "REDIS_PASSWORD=$redis"
put offhook.env "PGPASSWORD=$postgres" "REDIS_PASSWORD=$redis" \
    "OFFHOOK_PASSWORD_101=$(word)" "OFFHOOK_PASSWORD_102=$(word)"
