#!/bin/sh
# SPDX-License-Identifier: MIT
# bench/http.sh [BUILD] [SECONDS]: how many requests a second the server answers, to wrk with 64
# connections that stay open, one thread: a static file, then a small JSON. Prints requests a second
# the time within which 99 of 100 are answered, and the processor time that one takes, which does not
# depend on what else the machine does. Needs wrk, and http-probe built in BUILD.
set -eu
build=${1:-build}
seconds=${2:-10}
token=$(printf '5a%.0s' $(seq 32))
command -v wrk >/dev/null || { echo "wrk is not installed" >&2; exit 69; }

dir=$(mktemp -d)
trap 'exec 3>&-; rm -rf "$dir"' EXIT
mkfifo "$dir/in"
"$build/tests/server/http-probe" "$token" <"$dir/in" >"$dir/out" &
pid=$!
exec 3>"$dir/in"
while [ ! -s "$dir/out" ]; do sleep 0.05; done
read -r port _ <"$dir/out"

# Ticks of a hundredth of a second.
ticks() {
    awk '{ print $14 + $15 }' "/proc/$pid/stat"
}

measure() {
    before=$(ticks)
    wrk -t1 -c64 -d"${seconds}s" --latency -H "Authorization: Bearer $token" \
        "http://127.0.0.1:$port$2" >"$dir/wrk"
    awk -v what="$1" -v ticks="$(($(ticks) - before))" '
        /99%/ { p99 = $2 } / requests in / { count = $1 }
        /Requests\/sec/ { rate = $2 } /Non-2xx/ { bad = $NF }
        END { printf "%-8s %9.0f requests/s   p99 %s   %.1f us of processor each   %d refused\n",
                  what, rate, p99, ticks * 10000 / count, bad }' "$dir/wrk"
}
measure static /js/app.js
measure json /api/small
