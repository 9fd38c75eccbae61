#!/usr/bin/env bash
# Checks `graft export` and `graft import` with PyTorch, onnx and onnxruntime themselves: short runs of every network with every norm of the
# discriminator and every kind of condition give the same images and scores there to 1e-5, classifiers the same probabilities, and networks of
# the shape of PyTorch's DCGAN example the same images here.
# PYTHON may name a Python that has torch, numpy, safetensors, onnx and onnxruntime (else they are installed into a virtual
# environment in target/), GRAFT a graft that is built.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
python=${PYTHON:-target/check_export/bin/python}
if [ -z "${PYTHON:-}" ]; then
  [ -x "$python" ] || python3 -m venv target/check_export
  "$python" -c 'import torch, numpy, safetensors, onnx, onnxruntime' 2>/dev/null ||
    "$python" -m pip install -q torch numpy safetensors onnx onnxruntime
fi
graft=${GRAFT:-${CARGO_TARGET_DIR:-target}/release/graft}
[ -n "${GRAFT:-}" ] || cargo build --release --quiet

# Rates at which a few steps move every weight, those of conditions from zero too.
short="--steps 40 --batch 16 --features 8 --latent 16 --lr 0.002 --d-lr 0.002 -q"
transfer="--source-steps 20 --feature-steps 20 --subset 60 --no-judge"
train() { name=$1; shift; "$graft" train "$@" --out "$out/$name" >"$out/log"; exports "$name"; }
transfer() { name=$1; shift; "$graft" transfer $transfer $short "$@" --out "$out/$name" >"$out/log"; exports "$name"; }
exports() {
  "$graft" export "$out/$1" --out "$out/$1.torch" ${2:-} >"$out/log"
  "$graft" export "$out/$1" --out "$out/$1.onnx" ${2:-} --format onnx >"$out/log"
  "$python" "$out/$1.torch/load.py" >"$out/log"
  "$python" scripts/check_export.py compare "$out/$1"
}

train batch $short --channels 3
train spectral $short --size 64 --loss hinge --d-norm spectral
train instance $short --d-norm instance --conditional
train layer $short --size 64 --channels 3 --loss wasserstein-gp --conditional
train none $short --loss r3gan
train wide --steps 4 --batch 16 --size 64 --channels 3 --features 64 --lr 0.002 -q
train small $short --size 16 --channels 3
train large --steps 4 --batch 8 --size 128 --channels 3 --features 8 --lr 0.002 -q
train residual $short --network residual --channels 3 --d-norm spectral --conditional
train residual64 --steps 4 --batch 8 --size 64 --network residual --d-norm layer --features 8 --lr 0.002 -q
transfer tgan --method tgan
# So few steps make a predictor sure of little: every label counts, or conditions would be zeros.
transfer residual-ctgan --method ctgan --network residual --confidence 0
transfer ctgan --method ctgan --ctgan-features --d-norm spectral --confidence 0
classify() {
  name=$1; shift
  "$graft" classify "$@" --steps 400 --batch 16 --width 8 --seeds 1 --shots 5 -q --out "$out/$name.runs" >"$out/log"
  cp -r "$out/$name.runs/cells/scratch-5-seed0" "$out/$name"
  exports "$name"
}
classify classifier --target synthetic:street --arms scratch
classify classifier64 --target synthetic:strokes --size 64 --arms scratch
cp -r "$out/batch" "$out/raw"
exports raw --raw

# From PyTorch's example and back, by way of the two lines that graft says to who gives it a pickle.
"$python" scripts/check_export.py example "$out/example"
if "$graft" import "$out/example/netG.pth" 2>"$out/advice"; then exit 1; fi
"$python" scripts/check_export.py follow "$out/advice"
"$graft" import "$out/example/netG.safetensors" --discriminator "$out/example/netD.safetensors" --out "$out/imported" >"$out/log"
exports imported
"$graft" sample "$out/imported" --count 8 --format npy --out "$out/example/samples.npy" >"$out/log"
"$python" scripts/check_export.py imported "$out/example" "$out/imported.torch"
