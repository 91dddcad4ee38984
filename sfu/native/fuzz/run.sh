#!/bin/sh
# Usage: run.sh SECONDS_PER_TARGET [TARGET…]   (all targets, that is all files of src/bin, if none is named)
#
# Builds the targets with coverage instrumentation on the stable compiler, runs each over its seeds in corpus/ and fails
# if any crashed, hung or grew. New inputs, crashes and logs go to target/; commit a crash as a seed once it is fixed.
set -eu
cd "$(dirname "$0")"
seconds=${1:?usage: run.sh SECONDS_PER_TARGET [TARGET…]}
shift
[ $# -gt 0 ] || set -- $(basename -s .rs src/bin/*.rs)

# What `cargo fuzz` passes, less the sanitizers, which need a nightly compiler and guard unsafe code only.
coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
  -Cllvm-args=-sanitizer-coverage-trace-compares"
host=$(rustc -vV | sed -n 's/^host: //p')
# An explicit --target keeps the flags away from build scripts, which could not link with them.
RUSTFLAGS="$(echo $coverage) --cfg fuzzing" nice cargo build --release --quiet --target "$host"

failed=
for target in "$@"; do
  mkdir -p "target/corpus/$target" "target/crashes/$target" target/logs
  log="target/logs/$target.log"
  if nice "target/$host/release/$target" -max_total_time="$seconds" -max_len=1500 -timeout=5 -rss_limit_mb=512 \
    -artifact_prefix="target/crashes/$target/" "target/corpus/$target" "corpus/$target" >"$log" 2>&1; then
    echo "$target: $(tail -n 1 "$log"); $(grep -o 'cov: [0-9]*' "$log" | tail -n 1)"
  else
    echo "$target: FAILED, see $PWD/$log"
    grep -A 1 "panicked at\|ERROR: libFuzzer" "$log" || true
    tail -n 3 "$log"
    failed="$failed $target"
  fi
done
[ -z "$failed" ] || { echo "failed:$failed"; exit 1; }
