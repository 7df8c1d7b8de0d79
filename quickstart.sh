#!/usr/bin/env bash
# From a fresh Debian 12 (git, bash, network) to a first semantic search with a real model:
#   ./quickstart.sh
# Installs what is missing, builds `wde`, gets all-MiniLM-L6-v2, embeds examples/corpus.txt and searches it.
# Every step is skipped when it is already done, so that a second run takes seconds. Ctrl-C is safe at any time.
set -euo pipefail
cd "$(dirname "$0")"
trap 'echo; echo "Stopped. ./quickstart.sh goes on from here." >&2; exit 130' INT TERM

bold='' plain=''
if [ -t 1 ]; then bold=$'\033[1m' plain=$'\033[0m'; fi
step() { printf '%s== %s%s\n' "$bold" "$1" "$plain"; }

# Runs a command with its output in a log; shows the log's end only when it fails.
quietly() {
  local log=build/quickstart.log
  mkdir -p build
  "$@" >"$log" 2>&1 || { tail -n 40 "$log" >&2; echo "Failed: $* (all of it: $log)" >&2; exit 1; }
}

step "1/4  Debian packages"
tools/install_packages.sh build

step "2/4  Build (some minutes the first time)"
[ -f build/release/build.ninja ] || quietly cmake --preset release
if [ -t 1 ]; then
  cmake --build --preset release --target wde
else
  quietly cmake --build --preset release --target wde
fi
wde=build/release/bin/wde

step "3/4  Model: sentence-transformers/all-MiniLM-L6-v2"
model=$(tools/fetch_model.sh "$wde")
echo "$model"

step "4/4  Search over the $(wc -l <examples/corpus.txt) passages of examples/corpus.txt"
"$wde" search -m "$model" --corpus examples/corpus.txt --top-k 3 --format text \
  "how do animals find their way home?" \
  "why does money lose its value" \
  "my bike makes a noise when I stop" \
  "finding texts by meaning instead of words"

cat <<END

${bold}Next${plain}
  $wde search -m $model --corpus FILE      your own texts and questions
  $wde embed -m $model FILE                one vector a line, as JSON
  $wde serve -m $model --port 3000         the HTTP server; then:
    curl localhost:3000/embed -H 'Content-Type: application/json' -d '{"inputs":"hello"}'
  $wde --help                              everything else
  ./test.sh                                              build and run all tests
END
