#!/usr/bin/env python3
"""Makes tests/golden/metrics.safetensors, what NumPy and SciPy compute in float64 for graft's figures to be held
against, and metrics.md, which lists its tensors.

  python3 -m venv V && V/bin/pip install numpy scipy safetensors && V/bin/python scripts/make_metrics_golden.py

Every figure is computed by another route than graft's: the Frechet distance by SciPy's Schur square root of the product
of the covariances, or from the singular values of the data where the covariances are singular; distances by SciPy's
cdist; intervals and p values by SciPy's own distributions.
"""
from pathlib import Path

import numpy as np
import scipy
from safetensors.numpy import save_file
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist
from scipy.stats import t, ttest_rel

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "golden"
SEED = 5

# name: (real images, samples, features); the second has fewer members than features, so singular covariances.
SETS = {"many": (90, 70, 12), "few": (14, 11, 24)}
PRECISION_NEIGHBOUR, COVERAGE_NEIGHBOUR = 3, 5


def features(rng, count, mixing, shift):
    """What a classifier's last layer looks like: correlated, never negative, with many zeros."""
    return np.maximum(rng.normal(size=(count, mixing.shape[0])) @ mixing + shift, 0)


def centred(x):
    return (x - x.mean(0)) / np.sqrt(len(x) - 1)


def frechet(real, samples):
    means = ((real.mean(0) - samples.mean(0)) ** 2).sum()
    first, second = np.cov(real.T), np.cov(samples.T)
    trace = np.linalg.svd(centred(real) @ centred(samples).T, compute_uv=False).sum()
    if min(len(real), len(samples)) > real.shape[1]:
        schur = sqrtm(first @ second).real.trace()
        assert abs(schur - trace) < 1e-10 * trace
        trace = schur
    return means + first.trace() + second.trace() - 2 * trace


def kernel(real, samples):
    k = lambda a, b: (a @ b.T / a.shape[1] + 1) ** 3
    within = lambda a: (k(a, a).sum() - np.trace(k(a, a))) / (len(a) * (len(a) - 1))
    return within(real) + within(samples) - 2 * k(real, samples).mean()


def precision_recall(real, samples):
    radii = lambda x, neighbour: np.sort(cdist(x, x), axis=1)[:, neighbour]
    across = cdist(real, samples)
    real_3, real_5 = radii(real, PRECISION_NEIGHBOUR), radii(real, COVERAGE_NEIGHBOUR)
    samples_3 = radii(samples, PRECISION_NEIGHBOUR)
    inside = across <= real_5[:, None]
    return {
        "precision": (across <= real_3[:, None]).any(0).mean(),
        "recall": (across <= samples_3[None, :]).any(1).mean(),
        "density": inside.sum(0).mean() / COVERAGE_NEIGHBOUR,
        "coverage": inside.any(1).mean(),
    }


def main():
    rng = np.random.default_rng(SEED)
    rows = []
    tensors = {}

    def put(name, value, meaning):
        tensors[name] = np.ascontiguousarray(value, dtype=np.float64)
        assert np.isfinite(tensors[name]).all(), name
        rows.append(f"| `{name}` | {list(tensors[name].shape)} | {meaning} |")

    for name, (real_count, sample_count, width) in SETS.items():
        mixing = rng.normal(size=(width, width)) / np.sqrt(width) * np.linspace(0.3, 2, width)
        shift = rng.uniform(0, 1, size=width)
        real = features(rng, real_count, mixing, shift)
        samples = features(rng, sample_count, mixing + 0.2 * rng.normal(size=mixing.shape) / np.sqrt(width), shift + 0.3)
        held_out = features(rng, real_count, mixing, shift)
        put(f"{name}.real", real, "features of real images")
        put(f"{name}.samples", samples, "features of samples")
        put(f"{name}.held_out", held_out, "as many more of real images")
        put(f"{name}.frechet", frechet(real, samples), "Frechet distance, covariances over n - 1")
        put(f"{name}.kernel", kernel(real, samples), "unbiased squared MMD, kernel (x.y / width + 1)^3, all pairs")
        for figure, value in precision_recall(real, samples).items():
            neighbour = PRECISION_NEIGHBOUR if figure in ("precision", "recall") else COVERAGE_NEIGHBOUR
            put(f"{name}.{figure}", value, f"{figure}, k = {neighbour}")
        nearer = cdist(samples, real).min(1) < cdist(samples, held_out).min(1)
        put(f"{name}.nearer", nearer.mean(), "share of samples nearer to `real` than to `held_out`")

    freedom = np.array([1, 2, 3, 4, 5, 9, 10, 29, 30, 99])
    place = np.array([-40, -6, -2.5, -1, -0.1, 0, 0.3, 1.7, 4, 12])
    put("student.freedom", freedom, "degrees of freedom of Student's t")
    put("student.quantile", t.ppf(0.975, freedom), "its 0.975 quantile")
    put("student.place", place, "values of t")
    put("student.below", t.cdf(place[None, :], freedom[:, None]), "the share below each, by degrees of freedom")

    arm, baseline = np.exp(rng.normal(5.0, 0.2, size=6)), np.exp(rng.normal(5.3, 0.2, size=6))
    paired = ttest_rel(np.log(arm), np.log(baseline))
    interval = paired.confidence_interval(0.95)
    put("paired.arm", arm, "Frechet distances of an arm, by seed")
    put("paired.baseline", baseline, "those of its baseline")
    put("paired.mean", np.log(arm / baseline).mean(), "mean log ratio")
    put("paired.interval", [interval.low, interval.high], "its 95 % t-interval")
    put("paired.better", ttest_rel(np.log(arm), np.log(baseline), alternative="less").pvalue, "one-sided p of a ratio below 1")

    path = FOLDER / "metrics.safetensors"
    save_file(tensors, path, metadata={"scipy": scipy.__version__})
    head = [
        "# Golden values of the metrics and statistics",
        "",
        f"What NumPy {np.__version__} and SciPy {scipy.__version__} compute in float64, made by "
        "`scripts/make_metrics_golden.py` (its header",
        f"says how). All tensors are float64. Random seed {SEED}.",
        "",
        "| tensor | shape | meaning |",
        "| --- | --- | --- |",
    ]
    (FOLDER / "metrics.md").write_text("\n".join(head + rows) + "\n")
    print(f"{path}: {path.stat().st_size} bytes, {len(tensors)} tensors")


if __name__ == "__main__":
    main()
