#!/usr/bin/env bash
# Trains by ranks of MPI and checks what must hold: scripts/check_mpi.sh GRAFT, a graft that was built with --features mpi. Needs mpirun (Open MPI
# or MPICH) and python3. Takes about a minute on two cores.
set -euo pipefail
graft=$(realpath "${1:?the graft that was built with --features mpi}")
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
export GRAFT_CACHE=$place/cache

# Containers are often root's, and have fewer cores than ranks. Open MPI waits as long as it gives ranks to stop wherever one fails; a
# checkpoint takes them longer than an end.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
options=() patient=()
if mpirun --version | grep -q "Open MPI\|OpenRTE"; then
  options=(--oversubscribe --mca odls_base_sigkill_timeout 1)
  patient=(--oversubscribe --mca odls_base_sigkill_timeout 5)
fi
ranks() { local count=$1; shift; mpirun "${options[@]}" -n "$count" "$@"; }
fail() { echo "wrong: $*"; exit 1; }
refused() { # TEXT COMMAND..: the command fails and says so
  local text=$1; shift
  if "$@" >out 2>&1; then cat out; fail "not refused: $*"; fi
  grep -q "$text" out || { cat out; fail "says nothing of '$text': $*"; }
}
# The losses of two runs, step by step, relative to max(1, |loss|): at the first step, and at all.
near() { # RUN RUN FIRST ALL
  python3 - "$@" <<'PYTHON'
import json, sys
one, other = ([json.loads(line) for line in open(f"{run}/metrics.jsonl")] for run in sys.argv[1:3])
first, every = map(float, sys.argv[3:])
assert [line["step"] for line in one] == [line["step"] for line in other] == list(range(1, len(one) + 1)), "each step once"
assert all(a.keys() == b.keys() for a, b in zip(one, other)), "the same losses in each step"
off = [max(abs(a[key] - b[key]) / max(1, abs(b[key])) for key in a if key not in ("step", "seconds")) for a, b in zip(one, other)]
assert off[0] <= first and max(off) <= every, f"{sys.argv[1:3]}: {off[0]:.1e} off at the first step, {max(off):.1e} at most"
print(f"{sys.argv[1]} and {sys.argv[2]}: {len(off)} steps, at most {max(off):.1e} off")
PYTHON
}
same() { cmp -s "$1/checkpoints/last.safetensors" "$2/checkpoints/last.safetensors"; }

form="--features 2 --latent 4 --batch 8 --size 32 --steps 20 -q"
small="--data synthetic:strokes --subset 64 $form"
for kind in "reference 1e-9 1e-9" "cpu 1e-5 1e-3"; do
  read -r device first every <<<"$kind"
  "$graft" train $small --device "$device" --out "$device-1" >/dev/null
  for count in 2 4; do
    ranks "$count" "$graft" train $small --device "$device" --threads 1 --out "$device-$count" >out
    test "$(grep -c "20 steps" out)" = 1 || fail "one rank speaks"
    near "$device-$count" "$device-1" "$first" "$every"
  done
done
ranks 2 "$graft" train $small --device cpu --threads 1 --out again >/dev/null
same again cpu-2 || fail "two ranks have the same bits again"
ranks 1 "$graft" train $small --device cpu --threads 1 --out alone >/dev/null
same alone cpu-1 || fail "one rank has the bits of none"

# From a checkpoint of n ranks m go on.
cp -r reference-2 onwards
ranks 4 "$graft" train --resume onwards --steps 26 -q >/dev/null
"$graft" train --resume onwards --steps 30 -q >/dev/null
"$graft" train --resume reference-1 --steps 30 -q >/dev/null
near onwards reference-1 1e-9 1e-9

# A transfer, of which the source and what it learned are trained, too.
learned="--source synthetic:strokes --target synthetic:street --subset 32 --features 2 --latent 4 --batch 8 --steps 6 --source-steps 6 --feature-steps 6 --no-judge"
"$graft" transfer $learned --method ctgan --device reference --out transfer-1 -q >/dev/null
ranks 2 "$graft" transfer $learned --method ctgan --device reference --threads 1 --out transfer-2 -q >/dev/null
near transfer-2 transfer-1 1e-9 1e-9
near transfer-2/source transfer-1/source 1e-9 1e-9

# What cannot be shared, and ranks that have not the same.
refused "a batch of 8 images is not split evenly over 3 ranks" ranks 3 "$graft" train $small --out no
refused "rank 1: .*absent" mpirun "${options[@]}" -n 1 "$graft" train $small --out no : -n 1 "$graft" train $form --data mnist:absent --out no
refused "rank 1 has another recipe than rank 0" mpirun "${options[@]}" -n 1 "$graft" train $small --out no2 : -n 1 "$graft" train $small --ema 0.5 --out no2
refused "start this command by itself" ranks 2 "$graft" devices

# Asked to stop, at the launcher, they write one checkpoint, from which the run goes on; where one dies all end, and the checkpoint is good.
long="--data synthetic:strokes --subset 64 --features 2 --latent 4 --batch 8 --size 32 --steps 1000000 --checkpoint-every 50 -q --threads 1"
for way in TERM INT KILL; do
  mpirun "${patient[@]}" -n 2 "$graft" train $long --out "stopped-$way" >"out-$way" 2>&1 &
  launcher=$!
  until [ -s "stopped-$way/checkpoints/last.safetensors" ]; do sleep 0.1; kill -0 "$launcher" || { cat "out-$way"; fail "ended by itself"; }; done
  case $way in
    KILL) kill -KILL "$(pgrep -P "$launcher" -f -- "--out stopped-KILL" | tail -1)" ;;
    *) kill "-$way" "$launcher" ;;
  esac
  wait "$launcher" && code=0 || code=$?
  test "$way" != KILL || test "$code" != 0 || fail "a rank died and nobody says so"
  if pgrep -f -- "--out stopped-$way" >/dev/null; then fail "a rank goes on after $way"; fi
  steps=$(tail -1 "stopped-$way/metrics.jsonl" | python3 -c "import json; print(json.loads(input())['step'])")
  ranks 2 "$graft" train --resume "stopped-$way" --steps $((steps + 5)) -q >/dev/null
  echo "stopped by $way at step $steps, and went on"
done
echo "ranks of MPI compute what one process does"
