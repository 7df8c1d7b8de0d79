#!/usr/bin/env bash
# Lays the arm64 libraries that a cross build needs into a folder of their own, a system root for
# cmake/arm64.cmake and qemu-aarch64:
#   tools/make_arm64_root.sh FOLDER
# They are the libraries among [build] in tools/debian-packages.txt and what these depend on (46 MB to
# download), from the apt sources of this machine. Neither root rights nor a foreign architecture in dpkg are
# needed, and nothing installed changes: through multiarch, prometheus-cpp-dev of one architecture would
# replace the other's. Silent and quick when the folder is there and made for the same list.
set -euo pipefail
root=${1:?usage: tools/make_arm64_root.sh FOLDER}
list=$(dirname "$0")/debian-packages.txt

# Libraries are what ends in -dev.
packages=$(awk '/^\[/ { section = $1 } section == "[build]" && /-dev$/ { print $1 }' "$list")
[ "$(cat "$root/packages" 2>/dev/null)" != "$packages" ] || exit 0

mkdir -p "$(dirname "$root")"
rm -rf "$root" "$root.part"
mkdir -p "$root.part/usr" "$root.part"/apt/{state/lists/partial,cache/archives/partial}
part=$(cd "$root.part" && pwd)
trap 'rm -rf "$part"' EXIT

# An apt that believes itself to be on an empty arm64 machine.
apt=(apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User=root
  -o "Dir::State=$part/apt/state" -o "Dir::State::status=$part/apt/status" -o "Dir::Cache=$part/apt/cache")
touch "$part/apt/status"
echo "Fetching the arm64 libraries"
"${apt[@]}" update
# shellcheck disable=SC2086
"${apt[@]}" install -y --download-only --no-install-recommends $packages >/dev/null
for package in "$part"/apt/cache/archives/*.deb; do dpkg-deb --extract "$package" "$part"; done
rm -rf "$part/apt"

# A link to /lib/… means the root's.
find "$part" -type l -lname '/*' -printf '%p\t%l\n' | while IFS=$'\t' read -r link target; do
  ln -sfn --relative "$part$target" "$link"
done
printf '%s\n' "$packages" >"$part/packages"
mv "$part" "$root"
