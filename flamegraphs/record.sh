#!/usr/bin/env bash
# Draws where a server's core spends its time under a load, kernel included.
#
#   flamegraphs/record.sh SCENARIO [SUBJECT [SECONDS]]
#
# SCENARIO  a name that `cutaway-loadtest compare --scenario` knows, as plaintext64
# SUBJECT   engine (default), bare or hyper
# SECONDS   how long samples are taken (default 5)
#
# Leaves SCENARIO-SUBJECT.svg beside this script, or, without inferno, the folded stacks it would be drawn from.
# The server runs on core 0, the client on core 1. Samples come from the cpu clock, since a virtual machine seldom has
# hardware counters. The build keeps frame pointers and has a target folder of its own.
set -euo pipefail

if (($# < 1 || $# > 3)); then
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2
  exit 2
fi
scenario=$1
subject=${2:-engine}
seconds=${3:-5}

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
addr=127.0.0.1:18090
target=${CARGO_TARGET_DIR:-$root/target}/flamegraph
work=$(mktemp -d)
server=
client=

finish() {
  # Only what this script started; each may have ended by itself.
  for process in $client $server; do
    kill "$process" 2>/dev/null || true
    wait "$process" 2>/dev/null || true
  done
  rm -rf "$work"
}
trap finish EXIT

need() {
  command -v "$1" >/dev/null || {
    echo "$1 is missing: $2" >&2
    exit 1
  }
}
need perf "apt-get install linux-perf (or linux-tools-\$(uname -r))"
need taskset "apt-get install util-linux"

build() {
  RUSTFLAGS="-C force-frame-pointers=yes" "${CARGO:-cargo}" build --quiet --profile profiling \
    --manifest-path "$root/Cargo.toml" --target-dir "$target" "$@"
}
case $subject in
  engine) build -p cutaway-loadtest && build -p cutaway --example plaintext ;;
  bare) build -p cutaway-loadtest ;;
  hyper) build -p cutaway-loadtest --features peers ;;
  *)
    echo "unknown subject $subject: engine, bare or hyper" >&2
    exit 2
    ;;
esac
tool=$target/profiling/cutaway-loadtest

listens() { (exec 3<>"/dev/tcp/${addr%:*}/${addr#*:}") 2>/dev/null; }
if listens; then
  echo "$addr is taken" >&2
  exit 1
fi
case $subject in
  engine)
    taskset -c 0 "$target/profiling/examples/plaintext" --addr "$addr" --shards 1 --trace slow \
      --db "$work/posts.db" >"$work/server.log" 2>&1 &
    ;;
  *) taskset -c 0 "$tool" peer "$subject" --addr "$addr" --core 0 >"$work/server.log" 2>&1 & ;;
esac
server=$!
until listens; do
  kill -0 "$server" 2>/dev/null || {
    cat "$work/server.log" >&2
    exit 1
  }
  sleep 0.05
done

echo "recording $subject under $scenario for $seconds s" >&2
"$tool" load --scenario "$scenario" --addr "$addr" --core 1 --seconds $((seconds + 2)) \
  >"$work/load.log" 2>&1 &
client=$!
sleep 1
perf record --quiet -e cpu-clock -F 1999 --call-graph fp -p "$server" -o "$work/perf.data" -- sleep "$seconds"
# A load that met a wrong answer has measured nothing.
wait "$client" || {
  cat "$work/load.log" >&2
  exit 1
}
client=
cat "$work/load.log" >&2
perf script -i "$work/perf.data" 2>/dev/null >"$work/stacks"

# One line a stack: thread;outermost;...;innermost count.
fold() {
  awk '
    /^[^ \t#]/ { thread = $1; depth = 0; next }
    /^[ \t]+[0-9a-f]+ / {
      name = $0
      sub(/^[ \t]+[0-9a-f]+ /, "", name)
      sub(/ \([^()]*\)$/, "", name)
      sub(/\+0x[0-9a-f]+$/, "", name)
      gsub(/;/, ":", name)
      frames[depth++] = name
      next
    }
    /^[ \t]*$/ && depth > 0 {
      stack = thread
      for (at = depth - 1; at >= 0; at--) stack = stack ";" frames[at]
      count[stack]++
      depth = 0
    }
    END { for (stack in count) print stack, count[stack] }
  ' "$work/stacks" | sort
}

name=$scenario-$subject
commit=$(git -C "$root" rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
if command -v inferno-flamegraph >/dev/null; then
  fold | inferno-flamegraph --title "$subject under $scenario, commit $commit" >"$here/$name.svg"
  echo "$here/$name.svg"
else
  fold >"$here/$name.folded"
  echo "$here/$name.folded"
  echo "for a picture: cargo install inferno --locked" >&2
  echo "               inferno-flamegraph <$here/$name.folded >$here/$name.svg" >&2
fi
