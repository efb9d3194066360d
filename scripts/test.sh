#!/usr/bin/env bash
# All tests: the wire tests mostly wait for real peers, so what only computes runs beside them, at
# a lower priority. With arguments: pytest with these.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
pytest=.venv/bin/pytest
if (($#)); then
    exec "$pytest" "$@"
fi

beside=$(mktemp)
nice -n 10 "$pytest" --ignore tests/wire -p no:cacheprovider >"$beside" 2>&1 &
computing=$!
trap 'kill "$computing" 2>/dev/null || true; rm -f "$beside"' EXIT

status=0
"$pytest" tests/wire || status=$?
wait "$computing" || status=$?
echo "beside the wire tests:"
cat "$beside"
exit "$status"
