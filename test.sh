#!/usr/bin/env bash
# Installs what is missing, builds and runs every test:
#   ./test.sh            release, AddressSanitizer + UBSan, ThreadSanitizer, a short fuzz run, format check,
#                        and the instruction sets of ARM64 under qemu-user
#   ./test.sh --quick    release only
#   ./test.sh asan tsan  only the named parts: release, asan, tsan, fuzz, format, stsb, arm64
# Exit 1 on any failure. The last line counts over everything that ran. WDE_JOBS (cores) sets how many
# compilers and tests run at once, WDE_FUZZ_SECONDS (15) how long each fuzz program runs.
set -uo pipefail
cd "$(dirname "$0")"
trap 'echo; echo "Stopped." >&2; exit 130' INT TERM

jobs=${WDE_JOBS:-$(nproc)}
fuzz_seconds=${WDE_FUZZ_SECONDS:-15}
passed=0 failed=0 skipped=0
broken=()

parts=()
for argument in "$@"; do
  case $argument in
    --quick) parts+=(release) ;;
    release | asan | tsan | fuzz | format | stsb | arm64) parts+=("$argument") ;;
    *) sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
done
[ ${#parts[@]} -gt 0 ] || parts=(format release stsb asan tsan fuzz arm64)

section() { printf '\n==== %s  [%d:%02d]\n' "$1" $((SECONDS / 60)) $((SECONDS % 60)); }

# record NAME STATUS: a check that CTest does not count.
record() {
  if [ "$2" -eq 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); broken+=("$1"); fi
}

# Counts a CTest run by its JUnit report, into passed, failed and skipped.
count_junit() {
  local counts p f s
  counts=$(python3 - "$1" <<'PYTHON'
import sys, xml.etree.ElementTree as tree
counts = {"passed": 0, "failed": 0, "skipped": 0}
for case in tree.parse(sys.argv[1]).iter("testcase"):
    reason = case.find("skipped")  # also what CTest writes for a program that is not there
    aloud = reason is not None and reason.get("message", "").startswith("SKIP_")
    if aloud or case.get("status") == "disabled":
        counts["skipped"] += 1
    else:
        counts["passed" if case.get("status") == "run" else "failed"] += 1
print(*counts.values())
PYTHON
  ) || return 1
  read -r p f s <<<"$counts"
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

# build PRESET TARGET...: configures and builds; the compiler's output shows only when it fails.
build() {
  local preset=$1 log=build/$1.log
  shift
  mkdir -p build
  { [ -f "build/$preset/build.ninja" ] || cmake --preset "$preset"; } >"$log" 2>&1 &&
    cmake --build --preset "$preset" --target "$@" -j "$jobs" >>"$log" 2>&1 && return 0
  grep -nE 'error|FAILED|Error' "$log" | head -n 40
  tail -n 20 "$log"
  record "build $preset" 1
  return 1
}

# run_ctest PRESET [ctest options]
run_ctest() {
  local preset=$1 report
  shift
  report=$PWD/build/$preset/ctest.xml
  rm -f "$report"
  # Of the tests that pass, only their number is of interest.
  ctest --test-dir "build/$preset" --parallel "$jobs" --output-on-failure --output-junit "$report" "$@" 2>&1 |
    grep -vE '^ +Start +[0-9]+:|^Test project|^Internal ctest| Passed +[0-9.]+ sec$'
  [ "${PIPESTATUS[0]}" -eq 0 ] || broken+=("ctest $preset")
  count_junit "$report" || record "ctest $preset wrote no report" 1
}

run_format() {
  section "Format"
  local files
  mapfile -t files < <(git ls-files '*.cc' '*.h')
  clang-format --dry-run --Werror "${files[@]}" 2>&1 | head -n 20
  record "clang-format" "${PIPESTATUS[0]}"
}

run_release() {
  section "Build: release"
  build release all || return
  section "The real model"
  tools/fetch_model.sh build/release/bin/wde || echo "skipped: no real model here; the tests that need it will say so"
  tools/venv.sh tests || echo "skipped: no Python packages; the test that needs them will say so"
  section "Tests: release"
  run_ctest release
}

# The STS-B figure, from the real model through the command line.
run_stsb() {
  local csv=${WDE_TEST_DATA:-../shared/data}/text/stsb/stsb-en-test.csv model=build/models/all-MiniLM-L6-v2
  local dtype within cosine
  section "STS-B Spearman"
  if [ ! -f "$csv" ] || [ ! -f "$model/config.json" ] || [ ! -x build/release/bin/wde ]; then
    echo "skipped: needs $csv, $model and build/release/bin/wde"
    skipped=$((skipped + 3))
    return
  fi
  tools/venv.sh tests || { record "tools/venv.sh tests" 1; return; }
  for dtype in f32:0.02: bf16:0.12:0.999 int8:0.3:0.99; do
    IFS=: read -r dtype within cosine <<<"$dtype"
    build/venv/bin/python tools/stsb_spearman.py --wde build/release/bin/wde --model "$model" --dtype "$dtype" \
      --csv "$csv" --expect 82.03 --within "$within" ${cosine:+--least-cosine "$cosine"}
    record "STS-B $dtype" $?
  done
}

# Parity with the real model is the release build's business: under a sanitizer those tests only take long.
run_sanitizer() {
  section "Build: $1"
  build "$1" all || return
  section "Tests: $1"
  WDE_TEST_MODEL=/nonexistent run_ctest "$1"
}

run_fuzz() {
  section "Build: fuzz"
  build asan wde_fuzzers || return
  section "Fuzz: $fuzz_seconds seconds each"
  tests/fuzz/run.sh build/asan "$fuzz_seconds"
  record "fuzz" $?
}

# What depends on the CPU, run by qemu-user on one with everything we use and on one with plain NEON.
run_arm64() {
  section "Build: arm64"
  if ! { tools/install_packages.sh arm64 && tools/make_arm64_root.sh build/arm64-root; }; then
    echo "skipped: no cross compiler, qemu-user or arm64 libraries here"
    skipped=$((skipped + 1))
    return
  fi
  build arm64 wde_{ops,attention,heads,models,tokenizer,engine}_test || return
  section "Tests: arm64, QEMU_CPU=max"
  # The emulated device runs none of the kernels: its thousand schedules are the other builds' business.
  WDE_TEST_MODEL=/nonexistent QEMU_CPU=max run_ctest arm64 \
    -L '^(ops|attention|heads|models|tokenizer|engine)$' -E '^EmulatedDevice'
  section "Tests: arm64, QEMU_CPU=cortex-a53"
  QEMU_CPU=cortex-a53 run_ctest arm64 -L '^ops$'
}

section "Debian packages"
tools/install_packages.sh build test || exit 1

export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:strict_string_checks=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-suppressions=$PWD/tests/tsan.supp:halt_on_error=1}

for part in "${parts[@]}"; do
  case $part in
    asan | tsan) run_sanitizer "$part" ;;
    *) "run_$part" ;;
  esac
done

section "Total"
for name in ${broken[@]+"${broken[@]}"}; do echo "FAILED: $name"; done
printf 'time: %d min %d s\n' $((SECONDS / 60)) $((SECONDS % 60))
total=$((passed + failed))
[ "$total" -gt 0 ] || { echo "nothing ran" >&2; exit 1; }
printf '%d%% tests passed, %d tests failed out of %d\n' $((100 * passed / total)) "$failed" "$total"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ ${#broken[@]} -eq 0 ]
