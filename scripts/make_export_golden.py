#!/usr/bin/env python3
"""Makes tests/golden/export.safetensors, for `graft export` to be held against: state dicts of networks that are written out below, as
PyTorch gives them, and what PyTorch computes with them in float64; and export.md, which says what is in it.

  python3 -m venv V && V/bin/pip install torch numpy safetensors && V/bin/python scripts/make_export_golden.py

Every weight, running statistic and input is drawn at random, so that none is where it would make no difference. Directions of spectral
norms are the singular vectors, which one more round of power iteration leaves where they are.
"""
import json
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests" / "golden"
SEED = 11
KINDS = {
    "batch": (2, dict(size=32, channels=3, features=2, latent=3, classes=0, d_norm="batch")),
    "layer": (1, dict(size=64, channels=1, features=1, latent=4, classes=3, d_norm="layer")),
    "instance": (2, dict(size=32, channels=1, features=2, latent=3, classes=0, condition_features=4, d_norm="instance")),
    "spectral": (2, dict(size=32, channels=1, features=2, latent=3, classes=2, condition_features=3, d_norm="spectral")),
    "none": (2, dict(size=32, channels=1, features=2, latent=5, classes=0, d_norm="none")),
    "small": (2, dict(size=16, channels=3, features=2, latent=3, classes=0, d_norm="batch")),
    "residual": (2, dict(network="residual", size=32, channels=1, features=2, latent=3, classes=2, d_norm="spectral")),
    "residual64": (1, dict(network="residual", size=64, channels=3, features=1, latent=3, classes=0, d_norm="layer")),
}
CLASSIFIERS = {
    "classifier": (2, dict(size=32, channels=3, width=2, norm="batch", input="channels", classes=3)),
    "classifier-layer": (2, dict(size=16, channels=3, width=2, norm="layer", input="whole", classes=2)),
    "classifier-instance": (1, dict(size=64, channels=1, width=2, norm="instance", classes=4)),
    "classifier-none": (1, dict(size=32, channels=1, width=2, norm="none", input="channels", classes=2)),
}
README = """# Golden values of exports

What PyTorch {torch} says of the networks that `scripts/make_export_golden.py` writes out (its header says how). The metadata keys `architectures` and `classifiers` have the shapes of each kind. Random seed {seed}. All tensors but counts are float32:
weights and inputs exactly, outputs rounded from float64.

| tensor | meaning |
| --- | --- |
| `KIND.netG.NAME`, `KIND.netD.NAME` | the state dicts, in PyTorch's names and layout |
| `KIND.latent`, `KIND.condition` | inputs of the generator; conditions where it has them |
| `KIND.image` | the generator's images, evaluating, [n, c, h, w] |
| `KIND.score` | the discriminator's scores of these images under these conditions, evaluating |
| `KIND.netC.NAME` | a classifier's state dict |
| `KIND.probabilities` | what it says of `KIND.image`, evaluating |

| kind | samples | architecture |
| --- | --- | --- |
"""


NORMS = {"batch": nn.BatchNorm2d, "instance": partial(nn.InstanceNorm2d, affine=True), "layer": partial(nn.GroupNorm, 1)}


class ConditionalBatchNorm(nn.BatchNorm2d):
    def __init__(self, width, condition):
        super().__init__(width)
        self.condition_scale, self.condition_shift = (nn.Linear(condition, width, bias=False) for _ in range(2))

    def forward(self, x, condition):
        x = nn.functional.batch_norm(x, self.running_mean, self.running_var, training=self.training)
        scale, shift = self.weight + self.condition_scale(condition), self.bias + self.condition_shift(condition)
        return x * scale[:, :, None, None] + shift[:, :, None, None]


class Generator(nn.Module):  # latents [n, latent], and conditions [n, classes + features] if any, to images in (-1, 1)
    def __init__(self, size, channels, features, latent, condition, **_):
        super().__init__()
        norm = partial(ConditionalBatchNorm, condition=condition) if condition else nn.BatchNorm2d
        widths, modules = [features << n for n in reversed(range(size.bit_length() - 3))], []
        for fan_in, width, up in zip([latent, *widths], widths, [0, 1, 1, 1]):
            modules += [nn.ConvTranspose2d(fan_in, width, 4, 1 + up, up, bias=False), norm(width), nn.ReLU()]
        self.main = nn.Sequential(*modules, nn.ConvTranspose2d(features, channels, 4, 2, 1, bias=False), nn.Tanh())

    def forward(self, latent, condition=None):
        x = latent[:, :, None, None]
        for module in self.main:
            x = module(x, condition) if isinstance(module, ConditionalBatchNorm) else module(x)
        return x


class Discriminator(nn.Module):  # images [n, channels, size, size], and conditions if any, to one score each, a logit
    def __init__(self, size, channels, features, condition, d_norm, **_):
        super().__init__()
        normed, wrap = d_norm in NORMS, spectral_norm if d_norm == "spectral" else nn.Identity()
        widths, modules = [features << n for n in range(size.bit_length() - 3)], []
        for level, (fan_in, width) in enumerate(zip([channels, *widths], widths)):
            norm = [NORMS[d_norm](width)] if normed and level > 0 else []
            modules += [wrap(nn.Conv2d(fan_in, width, 4, 2, 1, bias=not normed)), *norm, nn.LeakyReLU(0.2)]
        self.main = nn.Sequential(*modules, wrap(nn.Conv2d(widths[-1], 1, 4, bias=False)))
        self.projection = nn.Linear(condition, widths[-1], bias=False) if condition else None

    def forward(self, image, condition=None):
        maps = self.main[:-1](image)
        score = self.main[-1](maps).flatten()
        return score + (self.projection(condition) * maps.sum((2, 3))).sum(1) if self.projection else score


def through(modules, x, condition):
    for module in modules:
        x = module(x, condition) if isinstance(module, (ConditionalBatchNorm, Block)) else module(x)
    return x


class Block(nn.Module):
    def __init__(self, body, shortcut):
        super().__init__()
        self.body, self.shortcut = nn.Sequential(*body), nn.Sequential(*shortcut)

    def forward(self, x, condition):
        return through(self.body, x, condition) + self.shortcut(x)


def residual_widths(size, features):  # from the image on
    return [features if size == 32 else features << n for n in range(size.bit_length() - 3)]


class ResidualGenerator(nn.Module):
    def __init__(self, size, channels, features, latent, condition, **_):
        super().__init__()
        norm = partial(ConditionalBatchNorm, condition=condition) if condition else nn.BatchNorm2d
        widths = residual_widths(size, features)[::-1]
        modules = [nn.ConvTranspose2d(latent, widths[0], 4, bias=False)]
        for fan_in, width in zip([widths[0], *widths], widths):
            first, second = nn.Conv2d(fan_in, width, 3, padding=1, bias=False), nn.Conv2d(width, width, 3, padding=1, bias=False)
            body = [norm(fan_in), nn.ReLU(), nn.Upsample(scale_factor=2), first, norm(width), nn.ReLU(), second]
            modules.append(Block(body, [nn.Upsample(scale_factor=2), nn.Conv2d(fan_in, width, 1, bias=False)]))
        image = nn.Conv2d(features, channels, 3, padding=1, bias=False)
        self.main = nn.Sequential(*modules, norm(features), nn.ReLU(), image, nn.Tanh())

    def forward(self, latent, condition=None):
        return through(self.main, latent[:, :, None, None], condition)


class ResidualDiscriminator(nn.Module):
    def __init__(self, size, channels, features, condition, d_norm, **_):
        super().__init__()
        normed, wrap = d_norm in NORMS, spectral_norm if d_norm == "spectral" else nn.Identity()
        conv = lambda fan_in, width, kernel: wrap(nn.Conv2d(fan_in, width, kernel, padding=kernel // 2, bias=not normed))
        norm = lambda width, level: [NORMS[d_norm](width)] if normed and level else []
        widths, modules = residual_widths(size, features), []
        halving = [True, True, False, False] if size == 32 else [True] * len(widths) + [False]
        widths = [*widths, widths[-1]][: len(halving)]
        for level, (fan_in, width, halves) in enumerate(zip([channels, *widths], widths, halving)):
            pool, start = [nn.AvgPool2d(2)] if halves else [], [*norm(fan_in, level), nn.ReLU()] if level else []
            body = [*start, conv(fan_in, width, 3), *norm(width, level), nn.ReLU(), conv(width, width, 3), *pool]
            shortcut = [*pool, conv(fan_in, width, 1)] if level == 0 or fan_in != width else pool
            modules.append(Block(body, shortcut))
        self.main = nn.Sequential(*modules, nn.ReLU(), wrap(nn.Conv2d(widths[-1], 1, 1, bias=False)))
        self.projection = nn.Linear(condition, widths[-1], bias=False) if condition else None

    def forward(self, image, condition=None):
        features = through(self.main[:-1], image, None).sum((2, 3))
        score = self.main[-1](features[:, :, None, None]).flatten()
        return score + (self.projection(condition) * features).sum(1) if self.projection else score


class Standardise(nn.Module):  # each image to mean 0 and variance 1, over each channel or over all
    def __init__(self, axes):
        super().__init__()
        self.axes = axes

    def forward(self, x):
        variance, mean = torch.var_mean(x, self.axes, correction=0, keepdim=True)
        return (x - mean) / (variance + 1e-6).sqrt()


class Classifier(nn.Module):  # images to probabilities
    def __init__(self, size, channels, width, norm, classes, input="plain"):
        super().__init__()
        modules = {"plain": [], "channels": [Standardise((2, 3))], "whole": [Standardise((1, 2, 3))]}[input]
        halvings = size.bit_length() - 3
        widths = [width // 2] * (halvings - 3) + [width, 2 * width, 2 * width][-halvings:]
        convolutions = [(outputs, 4, 2, 1) for outputs in widths]
        if halvings <= 3:  # one of 3x3 before them
            convolutions.insert(0, (width // 2 if halvings == 3 else width, 3, 1, 1))
        inputs = channels
        for outputs, *by in [*convolutions, (2 * width, 4, 1, 0)]:
            # Over the one pixel that is left at the end, instance norm would leave nothing.
            kind = "layer" if norm == "instance" and by[2] == 0 else norm
            modules += [nn.Conv2d(inputs, outputs, *by, bias=False), *([NORMS[kind](outputs)] if kind in NORMS else []), nn.ReLU()]
            inputs = outputs
        self.main = nn.Sequential(*modules, nn.Flatten(), nn.Linear(inputs, classes), nn.Softmax(1))

    def forward(self, image):
        return self.main(image)


PAIRS = {"dcgan": (Generator, Discriminator), "residual": (ResidualGenerator, ResidualDiscriminator)}


def randomise(network):
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
        elif tensor.dim() == 1 and name.endswith("weight"):
            tensor.normal_(1, 0.1)
        elif tensor.dim() > 0:
            tensor.normal_(0, 0.2)
    for name, tensor in network.state_dict().items():
        if name.endswith("original"):
            left, _, right = torch.linalg.svd(tensor.double().flatten(1), full_matrices=False)
            network.state_dict()[name.replace("original", "0._u")].copy_(left[:, 0])
            network.state_dict()[name.replace("original", "0._v")].copy_(right[0])


@torch.no_grad()
def golden(kind, count, architecture):
    length = architecture["classes"] + architecture.get("condition_features", 0)
    pair = zip(("netG", "netD"), PAIRS[architecture.get("network", "dcgan")])
    networks = {name: cls(condition=length, **architecture).eval() for name, cls in pair}
    tensors = {"latent": torch.randn(count, architecture["latent"])}
    if length:
        tensors["condition"] = torch.randn(count, length)
    for name, network in networks.items():
        randomise(network)
        tensors |= {f"{name}.{key}": value.clone() for key, value in network.state_dict().items()}
    condition = tensors["condition"].double() if length else None
    image = networks["netG"].double()(tensors["latent"].double(), condition)
    tensors["image"] = image.float()
    tensors["score"] = networks["netD"].double()(tensors["image"].double(), condition).float()
    return {f"{kind}.{name}": tensor.contiguous() for name, tensor in tensors.items()}


@torch.no_grad()
def golden_classifier(kind, count, design):
    network = Classifier(**design).eval()
    randomise(network)
    tensors = {f"netC.{key}": value.clone() for key, value in network.state_dict().items()}
    tensors["image"] = torch.rand(count, design["channels"], design["size"], design["size"]) * 2 - 1
    tensors["probabilities"] = network.double()(tensors["image"].double()).float()
    return {f"{kind}.{name}": tensor.contiguous() for name, tensor in tensors.items()}


def main():
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    tensors, page = {}, README.format(torch=torch.__version__, seed=SEED)
    for kind, (count, architecture) in KINDS.items():
        tensors |= golden(kind, count, architecture)
        page += f"| `{kind}` | {count} | `{json.dumps(architecture)}` |\n"
    for kind, (count, design) in CLASSIFIERS.items():
        tensors |= golden_classifier(kind, count, design)
        page += f"| `{kind}` | {count} | `{json.dumps(design)}` |\n"
    shapes = lambda kinds: json.dumps({kind: shape for kind, (_, shape) in kinds.items()})
    metadata = {"architectures": shapes(KINDS), "classifiers": shapes(CLASSIFIERS)}
    save_file(tensors, FOLDER / "export.safetensors", metadata)
    (FOLDER / "export.md").write_text(page)


if __name__ == "__main__":
    main()
