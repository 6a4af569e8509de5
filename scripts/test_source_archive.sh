#!/usr/bin/env bash
# Build the source archive, unpack it elsewhere, and run its tests there, set-up included.
#   scripts/test_source_archive.sh [pytest's arguments]
# VENV names an environment with the project's dependencies to take in place of a new one.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${VENV:+$VENV/bin/}python3
"$python" -m pip --disable-pip-version-check --no-input install --quiet build
"$python" -m build --sdist --outdir "$folder" . >/dev/null
tar -xzf "$folder"/*.tar.gz -C "$folder" --strip-components 1
cd "$folder"
if [ -n "${VENV:-}" ]; then
  PYTHONPATH=$PWD/src scripts/with_screen.sh "$VENV/bin/python" -m pytest -n auto --dist worksteal "$@"
  exit
fi
make test PYTEST_ARGS="$*"
