#!/usr/bin/env bash
# See to the libraries which a napari window needs on Linux. Only what is missing is installed, and
# only as root with apt; elsewhere one sentence names it and the rest of the set-up goes on.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "$(uname -s)" = Linux ] || exit 0
PATH=$PATH:/usr/sbin:/sbin

loadable=$(ldconfig -p 2>/dev/null || true)
missing=()
library() { case "$loadable" in *"$1"*) ;; *) missing+=("$2") ;; esac; }   # soname, Debian package
program() { command -v "$1" >/dev/null || missing+=("$2"); }

library libGL.so.1 libgl1
library libEGL.so.1 libegl1
library libfontconfig.so.1 libfontconfig1
library libglib-2.0.so.0 libglib2.0-0
library libdbus-1.so.3 libdbus-1-3
library libX11-xcb.so.1 libx11-xcb1
library libxkbcommon-x11.so.0 libxkbcommon-x11-0
library libxcb-cursor.so.0 libxcb-cursor0
library libxcb-icccm.so.4 libxcb-icccm4
library libxcb-image.so.0 libxcb-image0
library libxcb-keysyms.so.1 libxcb-keysyms1
library libxcb-randr.so.0 libxcb-randr0
library libxcb-render-util.so.0 libxcb-render-util0
library libxcb-shape.so.0 libxcb-shape0
library libxcb-shm.so.0 libxcb-shm0
library libxcb-sync.so.1 libxcb-sync1
library libxcb-xfixes.so.0 libxcb-xfixes0
library libxcb-xinerama.so.0 libxcb-xinerama0
library libxcb-xkb.so.1 libxcb-xkb1
# OpenGL without a graphics card; the directory depends on the distribution.
compgen -G '/usr/lib*/dri/swrast_dri.so' >/dev/null ||
  compgen -G '/usr/lib/*/dri/swrast_dri.so' >/dev/null ||
  compgen -G '/usr/lib/*/libgallium*.so' >/dev/null || missing+=(libgl1-mesa-dri)
program Xvfb xvfb
program xauth xauth

[ ${#missing[@]} -gt 0 ] || exit 0
scripts/apt_install.sh "${missing[@]}" ||
  printf 'setup: napari windows, and the tests that open one, also want: %s (apt-get install them as root)\n' \
    "${missing[*]}" >&2
