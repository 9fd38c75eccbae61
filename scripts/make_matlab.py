#!/usr/bin/env python3
"""Makes tests/golden/svhn_plain.mat and svhn_compressed.mat: three images in SVHN's layout as SciPy writes them, for
graft's reader of MATLAB files to be held against. Nothing in graft's build or tests needs Python:

  python3 -m venv V && V/bin/pip install scipy && V/bin/python scripts/make_matlab.py

Beside X and y stand variables of other kinds, which a reader has to step over. The files say when they were made: apart
from that line the same version of SciPy writes the same bytes.
"""
from pathlib import Path

import numpy as np
from scipy.io import savemat

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "golden"

row, column, channel, image = np.indices((32, 32, 3, 3))
pixels = ((7 * row + 13 * column + 29 * channel + 31 * image) % 256).astype(np.uint8)
labels = np.array([[10], [1], [9]])
others = {
    "a_text": "not an image",
    "a_struct": {"field": np.arange(5.0), "text": "x"},
    "a_cell": np.array([np.arange(3), "cell"], dtype=object),
    "a_complex": np.array([1 + 2j]),
}

savemat(FOLDER / "svhn_plain.mat", {**others, "X": pixels, "y": labels.astype(np.uint8)}, do_compression=False)
savemat(FOLDER / "svhn_compressed.mat", {"X": pixels, **others, "y": labels.astype(np.float64)}, do_compression=True)
