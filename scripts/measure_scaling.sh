#!/usr/bin/env bash
# Measures training by ranks beside one process, in turns: scripts/measure_scaling.sh GRAFT [ROUNDS], a graft built with --features mpi. For size 32,
# batch 64 and size 64, batch 128, at 64 features: ms a step (the median over rounds of the mean over a run's later steps) of one process of two
# threads, of one of one thread on half the batch (what each of two ranks computes), of two ranks of one thread over shared memory and over TCP, and
# of four ranks over shared memory. docs/scaling.md says what follows. Let nothing else run.
set -euo pipefail
graft=$(realpath "${1:?the graft that was built with --features mpi}")
rounds=${2:-3}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
shared=(mpirun --oversubscribe --mca btl self,vader)
tcp=(mpirun --oversubscribe --mca btl self,tcp --mca btl_tcp_if_include lo)

run() { # NAME SIZE BATCH STEPS THREADS COMMAND..
  local name=$1 size=$2 batch=$3 steps=$4 threads=$5; shift 5
  rm -rf run
  "$@" "$graft" train --data synthetic:street --subset 512 --features 64 --size "$size" --batch "$batch" --steps "$steps" --threads "$threads" --sample-every 100000 \
    --checkpoint-every 100000 -q --out run >/dev/null
  python3 - "$name" >>times <<'PYTHON'
import json, sys
seconds = [json.loads(line)["seconds"] for line in open("run/metrics.jsonl")]
warm = len(seconds) // 4
print(sys.argv[1], 1e3 * (seconds[-2] - seconds[warm]) / (len(seconds) - 2 - warm))
PYTHON
}
for ((round = 0; round < rounds; round++)); do
  for form in "32 64 40" "64 128 12"; do
    read -r size batch steps <<<"$form"
    run "$size one-of-two-threads" "$size" "$batch" "$steps" 2 env
    run "$size two-ranks" "$size" "$batch" "$steps" 1 "${shared[@]}" -n 2
    run "$size two-ranks-tcp" "$size" "$batch" "$steps" 1 "${tcp[@]}" -n 2
    run "$size half-batch-of-one-thread" "$size" $((batch / 2)) "$steps" 1 env
    run "$size four-ranks" "$size" "$batch" "$steps" 1 "${shared[@]}" -n 4
  done
done
python3 - times <<'PYTHON'
import collections, statistics, sys
times = collections.defaultdict(list)
for line in open(sys.argv[1]):
    size, name, value = line.split()
    times[size, name].append(float(value))
for (size, name), values in times.items():
    print(f"size {size}  {name:26}  {statistics.median(values):8.1f} ms a step  ({', '.join(f'{v:.1f}' for v in values)})")
for size in sorted({size for size, _ in times}):
    one, two = (times[size, name] for name in ("one-of-two-threads", "two-ranks"))
    print(f"size {size}: two ranks are {statistics.median(a / b for a, b in zip(one, two)):.2f} as fast as one process of two threads")
PYTHON
