#!/usr/bin/env bash
# Makes the Python environment DIR from pyproject.toml: dependencies and the dev group, not the project itself
# (tests and tools run the sources of the checkout they stand in). usage: venv.sh DIR
set -euo pipefail
dir=$1
[ -e "$dir/.done" ] && exit 0
echo "==> Python environment (once per pyproject.toml)"
start=$SECONDS
mkdir -p "$(dirname "$dir")"
work=$(mktemp -d "$dir.XXXXXX")
trap 'rm -rf "$work"' EXIT
python3 - >"$work/requirements.txt" <<'PY'
import tomllib
with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)
print("\n".join(project["project"]["dependencies"] + project["dependency-groups"]["dev"]))
PY
rm -rf "$dir"
# Debian keeps the half of venv that brings pip in a package of its own.
python3 -c 'import ensurepip' 2>/dev/null || {
  apt-get -q update >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get -q install --yes --no-install-recommends python3-venv >/dev/null
} || { echo "error: python3 has no venv: install the Debian package python3-venv, then run the same command again." >&2; exit 1; }
python3 -m venv "$dir"
"$dir/bin/pip" install --quiet --disable-pip-version-check -r "$work/requirements.txt"
touch "$dir/.done"
echo "    done in $((SECONDS - start)) s"
