#!/usr/bin/env bash
# Everything that is to be known of a graphics card, in one command of under ten minutes, on the machine that has it: no Rust is needed there.
#
#   scripts/gpu_measure.sh GRAFT [OUT.json]        GRAFT: a binary (strip it: under 20 MB); OUT: ./gpu_measure.json
#
# In turn: `devices --check`; kernels and training steps (`devices --bench`); `devices --tune`; the same again with what that chose; and, where
# ${PYTHON:-python3} has PyTorch and sees the card, its training step in fp32, in fp32 channels-last and with TF32, each with cudnn.benchmark,
# before and after graft's, so that a drift of the machine shows. The card is measured as it is found: no clock and no limit is touched.
# Needs python3. Nothing else should run meanwhile.
set -euo pipefail
graft=$(realpath "${1:?the path of a graft binary}")
out=$(realpath "${2:-gpu_measure.json}")
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT
# What is tuned here is tuned for this measurement alone.
export GRAFT_CACHE="$parts/cache"

peer() { # FILE
  "$python" scripts/gpu/peer_steps.py >"$parts/$1" 2>"$parts/$1.err" || echo "PyTorch was not measured: $(tail -1 "$parts/$1.err")" >&2
}
measure() { # NAME OPTION..
  local name=$1; shift
  echo "devices $*" >&2
  "$graft" devices "$@" --device gpu --json -q >"$parts/$name" || echo "devices $* ended with $?" >&2
}

date -u +%Y-%m-%d >"$parts/date"
measure check.jsonl --check
peer peer_before.jsonl
measure bench_before.jsonl --bench
measure tune.jsonl --tune
measure bench_after.jsonl --bench
peer peer_after.jsonl
python3 scripts/gpu/measured.py "$parts" "$out"
