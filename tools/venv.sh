#!/usr/bin/env bash
# Makes build/venv with the pinned packages of tools/requirements-<set>.txt:
#   tools/venv.sh tests      numpy, openai, huggingface_hub: tools/stsb_spearman.py, the server's clients
#   tools/venv.sh goldens    torch, transformers, sentence-transformers (some GB): goldens and benchmarks/peers
# Quick the second time; both sets may live in it together.
set -euo pipefail
cd "$(dirname "$0")/.."
set_name=${1:?"usage: tools/venv.sh tests|goldens"}
requirements=tools/requirements-$set_name.txt
[ -f "$requirements" ] || { echo "no such set: $requirements" >&2; exit 2; }

stamp=build/venv/.$set_name-$(sha256sum "$requirements" | cut -c1-16)
[ ! -e "$stamp" ] || exit 0
mkdir -p build
build/venv/bin/python -m pip --version >/dev/null 2>&1 || python3 -m venv --clear build/venv
build/venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$requirements"
touch "$stamp"
