#!/usr/bin/env bash
# Run the tests with other versions of what this project stands on, in an environment of their own:
#   scripts/try_versions.sh lowest|pinned|newest pyqt6|pyside6 [pytest's arguments]
# PYTHON names another Python, TORCH one version of torch. It takes some minutes and 2 GB.
set -euo pipefail
cd "$(dirname "$0")/.."
usage() { sed -n 's/^# \{0,1\}//p' "$0" | sed -n 2,4p >&2; exit 2; }
[ $# -ge 2 ] || usage
which=$1 binding=$2
shift 2
mkdir -p build

constraints=()
case $which in
  lowest) "${PYTHON:-python3}" scripts/lowest_versions.py > build/lowest.txt; constraints=(-c build/lowest.txt) ;;
  pinned) constraints=(-c constraints.txt) ;;
  newest) ;;
  *) usage ;;
esac
case $binding in pyqt6 | pyside6) ;; *) usage ;; esac
# PySide6 6.12.0 takes a reference to None with each null pointer, which ends Python before 3.12.
echo 'PySide6 != 6.12.0; python_version < "3.12"' > build/binding.txt
constraints+=(-c build/binding.txt)

venv=build/env-$which-$binding
[ -d "$venv" ] || "${PYTHON:-python3}" -m venv "$venv"
bin=$venv/bin
[ -d "$bin" ] || bin=$venv/Scripts   # Windows
pip=("$bin/python" -m pip --disable-pip-version-check --no-input install --quiet)
"${pip[@]}" --upgrade "pip>=25.1"   # the first with dependency groups
# torch first and alone: a wheel for the CPU, where pip is told of one, is then kept by what follows.
"${pip[@]}" "${constraints[@]}" "torch${TORCH:+==$TORCH}"
"${pip[@]}" "${constraints[@]}" --editable ".[gui]" "napari[$binding]" --group test
"$bin/python" -m pip list 2>/dev/null | grep -iE '^(numpy|scipy|torch|napari|gemmi|matplotlib|pyqt6|pyside6) '
exec scripts/with_screen.sh "$bin/python" -m pytest -n auto --dist worksteal -o qt_api="$binding" "$@"
