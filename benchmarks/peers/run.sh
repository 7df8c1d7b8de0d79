#!/usr/bin/env bash
# WDE next to the other engines that embed on a CPU, on the same texts, in one run:
#   benchmarks/peers/run.sh [--quick] [--models minilm,bge-base,modernbert-base] [--json FILE] [--svg FILE] …
# Makes build/peers-venv with the pinned packages (some GB the first time), builds WDE's part, fetches the model,
# then hands over to compare.py (--help lists the options). BUILD_DIR names another build folder.
set -euo pipefail
here=$PWD
cd "$(dirname "$0")/../.."
build=${BUILD_DIR:-build/release}

stamp=build/peers-venv/.made-$(sha256sum benchmarks/peers/requirements.txt | cut -c1-16)
if [ ! -e "$stamp" ]; then
  echo "Installing the peers into build/peers-venv" >&2
  mkdir -p build
  build/peers-venv/bin/python -m pip --version >/dev/null 2>&1 || python3 -m venv --clear build/peers-venv
  # llama.cpp comes as source: for this CPU, which takes some minutes.
  CMAKE_ARGS="-DGGML_NATIVE=ON -DLLAVA_BUILD=OFF -DMTMD_BUILD=OFF" \
    build/peers-venv/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/peers/requirements.txt
  touch "$stamp"
fi

[ -e "$build/CMakeCache.txt" ] || cmake -G Ninja -S . -B "$build" -DCMAKE_BUILD_TYPE=Release >&2
cmake --build "$build" --target wde_contestant wde >&2
model=$(tools/fetch_model.sh "$build/bin/wde")

root=$PWD
cd "$here"
exec "$root/build/peers-venv/bin/python" "$root/benchmarks/peers/compare.py" \
  --wde "$(realpath "$root/$build" 2>/dev/null || realpath "$build")/bin/wde_contestant" --minilm "$root/$model" "$@"
