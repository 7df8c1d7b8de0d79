#!/usr/bin/env bash
# Runs every fuzz program of a build for a while: tests/fuzz/run.sh BUILD_FOLDER [SECONDS_EACH=15]
# A finding stays in BUILD_FOLDER/fuzz/findings/; `wde_X_fuzz FILE` replays it. Exit 1 when there is one.
# For a long session: tests/fuzz/run.sh build/asan 3600
set -euo pipefail
build=${1:?"usage: tests/fuzz/run.sh BUILD_FOLDER [SECONDS_EACH]"}
seconds=${2:-15}
here=$(cd "$(dirname "$0")" && pwd)
work=$build/fuzz
mkdir -p "$work/findings"
python3 "$here/make_seeds.py" "$work/seeds"

shopt -s nullglob
programs=("$build"/bin/wde_*_fuzz)
[ ${#programs[@]} -gt 0 ] || { echo "no fuzz programs in $build/bin" >&2; exit 1; }

passed=0 failed=0
for program in "${programs[@]}"; do
  name=$(basename "$program" | sed 's/^wde_//')
  mkdir -p "$work/corpus/$name" "$work/seeds/$name"
  log=$work/$name.log
  # What earlier runs found interesting (corpus) is kept and extended; seeds are read only.
  if "$program" -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
      -artifact_prefix="$work/findings/$name-" "$work/corpus/$name" "$work/seeds/$name" >"$log" 2>&1; then
    passed=$((passed + 1))
    printf '%-22s ok, %s inputs tried\n' "$name" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
  else
    failed=$((failed + 1))
    tail -n 40 "$log"
    printf '%-22s FAILED: %s\n' "$name" "$log"
  fi
done
echo "fuzz: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
