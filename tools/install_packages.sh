#!/usr/bin/env bash
# Installs the Debian packages of the named sections of tools/debian-packages.txt that are missing:
#   tools/install_packages.sh build [test]
# Silent and quick when nothing is missing. Uses sudo only when not root.
set -euo pipefail
list=$(dirname "$0")/debian-packages.txt

wanted() {
  awk -v sections=" $* " '/^#/ { next } /^\[/ { section = substr($0, 2, length($0) - 2); next }
    NF && index(sections, " " section " ") { print $1 }' "$list"
}

missing=()
for package in $(wanted "$@"); do
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "these packages are missing, and there is no sudo: ${missing[*]}" >&2; exit 1; }
  as_root=(sudo)
fi
echo "Installing: ${missing[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
