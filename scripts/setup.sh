#!/usr/bin/env bash
# Make .venv with the pinned packages of constraints.txt, and the system libraries napari's window
# wants. Run by every make target; safe to run again: it only adds what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.venv
say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

is_good_python() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
find_python() {
  local candidate
  for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python3.14 python; do
    if is_good_python "$candidate"; then command -v "$candidate"; return; fi
  done
  return 1
}
can_make_venv() { "$1" -c 'import venv, ensurepip' 2>/dev/null; }

if ! [ -x "$venv/bin/python" ] || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
  python=$(find_python) ||
    fail "no Python 3.11 or newer was found; install one, or name it: make PYTHON=/path/to/python3"
  if ! can_make_venv "$python"; then
    # Debian and Ubuntu ship venv apart from Python.
    package="python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    scripts/apt_install.sh "$package" || true
    can_make_venv "$python" ||
      fail "$python lacks the venv module; install it (apt-get install $package) and run make again"
  fi
  say "making $venv with $("$python" --version)"
  "$python" -m venv --clear "$venv"
fi

scripts/system_libraries.sh

pip=("$venv/bin/python" -m pip --disable-pip-version-check --no-input)
say "installing the pinned packages (the first time takes some minutes)"
"${pip[@]}" install --quiet --upgrade "pip>=25.1"   # the first with dependency groups
# torch first and alone: a wheel for the CPU, where pip is told of one, is then kept by what follows.
"${pip[@]}" install --quiet -c constraints.txt torch
"${pip[@]}" install --quiet -c constraints.txt --editable ".[all]" --group dev --group docs --group bench
touch "$venv/.ready"
say "ready"
