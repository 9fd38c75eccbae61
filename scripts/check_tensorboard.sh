#!/usr/bin/env bash
# Checks `graft train --tensorboard` with TensorBoard's own reader, which it installs into a virtual environment: a run that
# was killed, resumed and split must show each step once. The environment may be given: check_tensorboard.sh [VENV].
set -euo pipefail
cd "$(dirname "$0")/.."
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
venv=${1:-$out/venv}
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/python" -c 'import tensorboard' 2>/dev/null || "$venv/bin/pip" install -q tensorboard

cargo build --release --quiet
graft=target/release/graft
"$graft" train --features 4 --batch 8 --r1 1 --steps 1000000 --checkpoint-every 64 --sample-every 50 --tensorboard -q --out "$out/run" &
run=$!
until [ -e "$out/run/checkpoints/last.safetensors" ] && [ "$(wc -l <"$out/run/metrics.jsonl")" -gt 0 ]; do sleep 0.1; done
sleep 1
kill -9 $run
wait $run || true
steps=$("$graft" train --resume "$out/run" --steps 1 | sed 's/.*already at step \([0-9]*\) .*/\1/')
"$graft" train --resume "$out/run" --steps $((steps + 75)) -q
"$graft" train --resume "$out/run" --steps $((steps + 110)) -q
"$venv/bin/python" scripts/check_tensorboard.py "$out/run"
"$venv/bin/python" scripts/check_tensorboard.py
