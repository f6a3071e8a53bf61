#!/bin/sh
# SPDX-License-Identifier: MIT
# bench/http.sh [BUILD] [SECONDS]: how many requests a second the server answers, to wrk with 64
# connections that stay open, one thread: a static file, then a small JSON. Prints requests a second
# and the time within which 99 of 100 are answered. Needs wrk, and http-probe built in BUILD.
set -eu
build=${1:-build}
seconds=${2:-10}
token=$(printf '5a%.0s' $(seq 32))
command -v wrk >/dev/null || { echo "wrk is not installed" >&2; exit 69; }

dir=$(mktemp -d)
trap 'exec 3>&-; rm -rf "$dir"' EXIT
mkfifo "$dir/in"
"$build/tests/server/http-probe" "$token" <"$dir/in" >"$dir/out" &
exec 3>"$dir/in"
while [ ! -s "$dir/out" ]; do sleep 0.05; done
read -r port _ <"$dir/out"

measure() {
    wrk -t1 -c64 -d"${seconds}s" --latency -H "Authorization: Bearer $token" \
        "http://127.0.0.1:$port$2" >"$dir/wrk"
    awk -v what="$1" '/99%/ { p99 = $2 } /Requests\/sec/ { rate = $2 } /Non-2xx/ { bad = $NF }
        END { printf "%-8s %9.0f requests/s   p99 %s   %d refused\n", what, rate, p99, bad }' "$dir/wrk"
}
measure static /js/app.js
measure json /api/small
