#!/usr/bin/env bash
# Install Debian or Ubuntu packages where that needs no question: as root, with apt. Fails otherwise.
set -euo pipefail
[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 1
export DEBIAN_FRONTEND=noninteractive
printf 'setup: apt-get install %s\n' "$*" >&2
{ apt-get update -qq || true; apt-get install -y -qq --no-install-recommends "$@"; } >/dev/null 2>&1
