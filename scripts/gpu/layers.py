"""Which layer of a DCGAN a product computes, and in which role, told by the sizes of its operands: they stay what they are however the
kernels are written."""

from dataclasses import dataclass

LATENT = 100
# 4x4 filters; the innermost images have as many pixels.
TAPS = 16
INNERMOST = 4
# What stands between two storages of a pool is less than an eighth of the smaller, and no storage is smaller than this (pool.rs).
SMALLEST_BYTES = 256
# A batch of real images may go through the discriminator together with one of fakes.
BATCHES = (1, 2)
# Parts that a depth is split into, at most (product.rs: as many as workgroups keep a card busy).
MOST_SPLITS = 1024


@dataclass(frozen=True)
class Product:
    """A layer in one role."""

    kernel: str
    layer: str
    # Whether its fine image is one that people look at.
    image: bool = False
    # Whether one operand or the result is a vector.
    vector: bool = False


def holds(size, numbers):
    """Whether a storage of `size` bytes is what so many numbers are given."""
    return 4 * numbers <= size <= max(SMALLEST_BYTES, 4.5 * numbers)


def roles(name, fine, coarse, filters, kernels, **kind):
    """The operands and results of a layer's three products, in elements."""
    sizes = [(fine, filters, coarse), (coarse, filters, fine), (fine, coarse, filters)]
    words = ["forward", "transposed", "filter gradient"] if kernels[0] == kernels[1] else ["", "", ""]
    return [
        (size, Product(kernel, f"{name} {word}".strip(), **kind)) for size, kernel, word in zip(sizes, kernels, words)
    ]


def products(size, features, channels, batch):
    """Every product of both networks, with the sizes of its operands and its result."""
    found = []
    fine_channels, coarse_channels = channels, features
    while size > INNERMOST:
        coarse = size // 2
        found += roles(
            f"{size}x{size}x{fine_channels} to {coarse}x{coarse}x{coarse_channels}",
            batch * size * size * fine_channels,
            batch * coarse * coarse * coarse_channels,
            TAPS * fine_channels * coarse_channels,
            ("conv_coarse", "conv_fine", "conv_filter"),
            image=fine_channels == channels,
        )
        size, fine_channels, coarse_channels = coarse, coarse_channels, 2 * coarse_channels
    # One coarse pixel: plain products of matrices.
    fine, matmul = TAPS * fine_channels, ("matmul",) * 3
    found += roles(f"4x4x{fine_channels} to score", batch * fine, batch, fine, matmul, vector=True)
    found += roles(f"latent to 4x4x{fine_channels}", batch * fine, batch * LATENT, fine * LATENT, matmul)
    return found


def product_of(operands, sizes):
    """The product whose two operands and result have so many bytes, the first among `sizes` (of `products`, by batches); None where none has."""
    first, second, result = operands
    for (one, other, out), product in sizes:
        parts = range(1, MOST_SPLITS + 1)
        if holds(first, one) and holds(second, other) and any(holds(result, part * out) for part in parts):
            return product
    return None
