#!/usr/bin/env bash
# Times the same training steps here, in PyTorch (in fp32, and a DCGAN's in bf16) and (with --burn) in burn, interleaved, and prints a table
# with ratios: a DCGAN's at both sizes, and a classifier's that learns from 64 labelled images and 64 others. graft computes in fp32.
#
#   scripts/compare_peers.sh [--rounds N] [--burn] [--classifier]
#
#   --classifier  the classifier's step alone
#
# PyTorch goes into a virtual environment outside the tree, ${GRAFT_PEERS:-~/.cache/graft-peers}; burn is built there too
# (15 minutes on two cores). Needs python3 with venv, and a network the first time. Run nothing else meanwhile.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=3
burn=false
configs=("32 64 30" "64 128 6")
while [ $# -gt 0 ]; do
  case $1 in
    --rounds) rounds=$2; shift 2 ;;
    --burn) burn=true; shift ;;
    --classifier) configs=(); shift ;;
    *) echo "usage: scripts/compare_peers.sh [--rounds N] [--burn] [--classifier]" >&2; exit 2 ;;
  esac
done
peers=${GRAFT_PEERS:-$HOME/.cache/graft-peers}
mkdir -p "$peers"
if [ ! -x "$peers/venv/bin/python" ]; then
  python3 -m venv "$peers/venv"
  "$peers/venv/bin/pip" install --quiet torch numpy
fi
[ ${#configs[@]} -gt 0 ] || burn=false
$burn && CARGO_TARGET_DIR="$peers/burn" cargo build --release --quiet --manifest-path scripts/peers/burn_dcgan/Cargo.toml
cargo build --release --quiet --bench train_step
ours=$(cargo bench --bench train_step --no-run --message-format=json 2>/dev/null |
  python3 -c 'import json,sys; print([m["executable"] for m in map(json.loads, sys.stdin) if m.get("executable") and "train_step" in m["target"]["name"]][-1])')
out=$(mktemp)
trap 'rm -f "$out"' EXIT
for round in $(seq "$rounds"); do
  echo "round $round of $rounds, classifier" >&2
  "$ours" --classifier --features 32 --batch 64 --steps 60 >>"$out"
  "$peers/venv/bin/python" scripts/peers/torch_classifier.py --channels-last --features 32 --batch 64 --steps 60 >>"$out"
  for config in ${configs[@]+"${configs[@]}"}; do
    read -r size batch steps <<<"$config"
    echo "round $round of $rounds, size $size, batch $batch" >&2
    "$ours" --size "$size" --features 64 --channels 3 --batch "$batch" --steps "$steps" >>"$out"
    for precision in "" --bf16; do
      "$peers/venv/bin/python" scripts/peers/torch_dcgan.py --channels-last $precision --size "$size" --features 64 --channels 3 \
        --batch "$batch" --steps "$steps" >>"$out"
    done
    # burn takes seconds a step at size 64: few are enough.
    $burn && "$peers/burn/release/burn_dcgan" flex "$size" 64 3 "$batch" 3 >>"$out"
  done
done
python3 - "$out" <<'PYTHON'
import json, statistics, sys

rows = [json.loads(line) for line in open(sys.argv[1])]
for row in rows:
    row["peer"] += " bf16" if row.get("bf16") else ""
print("| step | size | batch | | ms a step (median of rounds) | min | ratio, round by round | peak MiB |")
print("| --- | --- | --- | --- | --- | --- | --- | --- |")
for step, size in sorted({(row.get("network", "dcgan"), row["size"]) for row in rows}):
    mine = [row for row in rows if (row.get("network", "dcgan"), row["size"]) == (step, size)]
    ours = [row for row in mine if row["peer"].startswith("graft")]
    for peer in dict.fromkeys(row["peer"] for row in mine):
        theirs = [row for row in mine if row["peer"] == peer]
        median = statistics.median(row["ms_per_step"] for row in theirs)
        ratios = ", ".join(f'{a["ms_per_step"] / b["ms_per_step"]:.3f}' for a, b in zip(ours, theirs))
        peak = max((row.get("peak_rss_mib") or 0 for row in theirs)) or "-"
        least = min(row["min_ms"] for row in theirs)
        print(f'| {step} | {size} | {theirs[0]["batch"]} | {peer} | {median:.1f} | {least:.1f} | {ratios} | {peak} |')
PYTHON
