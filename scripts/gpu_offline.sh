#!/usr/bin/env bash
# What can be known of the gpu's kernels without a card: what a training step asks of a driver, and what the compiler of a real card makes of
# the kernels. Prints a table and fails where a kernel spills or misses a limit of scripts/gpu/limits.toml.
#
#   scripts/gpu_offline.sh [--report] [--write] [--family NAME]
#
#   --report  says which limits are missed, and fails only where a kernel spills
#   --write   puts the table into docs/kernels.md
#   --family  another card than limits.toml's, such as NAVI31, by the name that Mesa's RADV_FORCE_FAMILY takes
#
# GRAFT names a release binary, else it is built. RADV names the driver's library, else it is the one installed (Debian's
# mesa-vulkan-drivers): a newer Mesa, unpacked somewhere, is printed and its shares are not judged. Needs a C compiler, Vulkan's headers
# (libvulkan-dev) and Python 3.11.
set -euo pipefail
cd "$(dirname "$0")/.."
family=
options=()
while [ $# -gt 0 ]; do
  case $1 in
    --report | --write) options+=("$1"); shift ;;
    --family) family=${2:?a family}; shift 2 ;;
    *) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
done
: "${family:=$(sed -n 's/^family = "\(.*\)"/\1/p' scripts/gpu/limits.toml)}"

if [ -z "${GRAFT:-}" ]; then
  cargo build --release --quiet
  GRAFT=target/release/graft
fi
graft=$(realpath "$GRAFT")
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

"${CC:-cc}" -std=c11 -O2 -Wall -Wextra -fPIC -fvisibility=hidden -shared -Wl,-z,nodelete scripts/gpu/driver/*.c \
  -o "$out/driver.so" -ldl -pthread
cat >"$out/driver.json" <<JSON
{"file_format_version": "1.0.0", "ICD": {"library_path": "$out/driver.so", "api_version": "1.3.0"}}
JSON

# Steps of a short run and a long one, whose difference is what steps do; 16 are a whole number of any grouping of read-backs. Runs of 500 and
# more would tune their products, by a clock that the null device does not have.
short=64
long=448

train() { # NAME SIZE BATCH OPTION..: a short run and a long one
  local name=$1 size=$2 batch=$3 steps; shift 3
  for steps in "$short" "$long"; do
    local report=$out/reports/$name-$size-$steps
    mkdir -p "$report"
    # No picture, checkpoint or figure in between: a step alone is measured.
    GRAFT_DRIVER_REPORT=$report GRAFT_DRIVER_RADV=${RADV:-libvulkan_radeon.so} VK_ICD_FILENAMES=$out/driver.json \
      VK_DRIVER_FILES=$out/driver.json RADV_FORCE_FAMILY=$family RADV_DEBUG=nocache GRAFT_CACHE=$out/cache \
      "$graft" train --device gpu --data synthetic:street --channels 3 --size "$size" --batch "$batch" "$@" \
      --steps "$steps" --sample-every 1000000 --checkpoint-every 1000000 --out "$out/run" --overwrite -q >"$out/log" 2>&1 ||
      { cat "$out/log"; exit 1; }
  done
}
for sizes in "32 64" "64 128"; do
  # Every option is written out, so that no default adds work.
  train recipe $sizes --network dcgan --features 64 --latent 100 --loss non-saturating --d-norm batch --r1 0 --gp 0 --lecam 0 --ada 0 \
    --augment none --penalty-step within --ema 0.995 --lr 0.0002 --d-lr 0.0002 --beta1 0.5 --d-steps 1 --on-nan stop
  train default $sizes
done
python3 -B scripts/gpu/table.py "$out/reports" "$short" "$long" --family "$family" "${options[@]}"
