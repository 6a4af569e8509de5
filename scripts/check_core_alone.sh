#!/usr/bin/env bash
# Build the wheel, install it with its base dependencies only, and let core_alone.py prove that Qt and
# napari are not wanted. CORE_VENV keeps the environment for the next time.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${CORE_VENV:-build/core-venv}
rm -rf build/wheel
.venv/bin/python -m build --wheel --outdir build/wheel . >/dev/null
[ -x "$venv/bin/python" ] || .venv/bin/python -m venv "$venv"
pip=("$venv/bin/python" -m pip --disable-pip-version-check --no-input install --quiet -c constraints.txt)
"${pip[@]}" torch
"${pip[@]}" --force-reinstall --no-deps build/wheel/*.whl
"${pip[@]}" build/wheel/*.whl
if "$venv/bin/python" -c 'import napari' 2>/dev/null; then
  echo "napari came along with the base dependencies" >&2
  exit 1
fi
cd build   # away from the sources: the installed wheel is what is tested
"../$venv/bin/python" ../scripts/core_alone.py
