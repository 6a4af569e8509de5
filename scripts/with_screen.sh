#!/usr/bin/env bash
# Run a command with a screen that nobody sees (Xvfb) where there is one, else with the screen there is.
set -euo pipefail
if [ "$(uname -s)" = Linux ] && command -v xvfb-run >/dev/null && command -v xauth >/dev/null; then
  exec env -u WAYLAND_DISPLAY QT_QPA_PLATFORM=xcb LIBGL_ALWAYS_SOFTWARE=1 \
    xvfb-run -a -s "-screen 0 1600x1000x24" "$@"
fi
exec "$@"
