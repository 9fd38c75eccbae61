#!/usr/bin/env bash
# Checks reports in headless Chromium (see check_report.py), which it installs where it may; without arguments, the report of a
# short run. Screenshots go to --out DIR: scripts/check_report.sh [--out DIR] [REPORT.html ...]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if ! command -v chromium >/dev/null && ! command -v google-chrome >/dev/null && [ "$(id -u)" = 0 ]; then
  apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends chromium fonts-dejavu-core
fi
case ${*: -1} in
  *.html) python3 "$here/check_report.py" "$@" ;;
  *)
    run=$(mktemp -d)
    trap 'rm -rf "$run"' EXIT
    cargo run --quiet --release --manifest-path "$here/../Cargo.toml" -- train --features 4 --batch 8 --steps 40 --sample-every 10 -q --out "$run/run"
    python3 "$here/check_report.py" "$@" "$run/run/report.html"
    ;;
esac
