#!/usr/bin/env python3
"""Labels samples by their nearest MNIST training image and prints each class's share.

    graft sample RUN --count 1000 --format npy --out samples.npy
    python3 scripts/nearest_label.py samples.npy path/to/mnist

Needs numpy. Samples are u8 [n, 32, 32, c] as `graft sample --format npy` writes them; MNIST's images are padded to 32x32, and
colour is averaged away.
"""
import gzip
import pathlib
import sys

import numpy as np


def read(folder, name):
    path = pathlib.Path(folder) / name
    data = gzip.open(f"{path}.gz").read() if not path.exists() else path.read_bytes()
    dims = data[3]
    shape = [int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(dims)]
    return np.frombuffer(data, np.uint8, offset=4 + 4 * dims).reshape(shape)


def main():
    samples = np.load(sys.argv[1]).astype(np.float32).mean(axis=3).reshape(-1, 32 * 32)
    images = read(sys.argv[2], "train-images-idx3-ubyte")
    labels = read(sys.argv[2], "train-labels-idx1-ubyte")
    images = np.pad(images, ((0, 0), (2, 2), (2, 2))).reshape(-1, 32 * 32).astype(np.float32)
    # |a - b|^2 less |a|^2, which is the same for all neighbours of a.
    distances = (images**2).sum(1)[None] - 2 * samples @ images.T
    counts = np.bincount(labels[distances.argmin(1)], minlength=10)
    for digit, count in enumerate(counts):
        print(f"{digit}: {count} of {len(samples)} ({100 * count / len(samples):.1f} %)")
    print(f"smallest share: {100 * counts.min() / len(samples):.1f} %")


if __name__ == "__main__":
    main()
