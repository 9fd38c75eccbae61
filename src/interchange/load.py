"""The networks of a `graft export` in PyTorch. `python load.py` compares them with graft's own outputs in example.safetensors."""
import json
from functools import partial
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

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


def load(network, path):
    with safe_open(path, "pt") as file:
        architecture = json.loads(file.metadata()["architecture"])
    condition = architecture["classes"] + architecture.get("condition_features", 0)
    network = network(condition=condition, **architecture)
    network.load_state_dict(load_file(path))
    return network.eval()


load_generator, load_discriminator = partial(load, Generator), partial(load, Discriminator)

if __name__ == "__main__":
    folder = Path(__file__).parent
    example = load_file(folder / "example.safetensors")
    with torch.no_grad():
        image = load_generator(folder / "netG.safetensors")(example["latent"], example.get("condition"))
        print(f"images differ from graft's by {(image - example['image']).abs().max():.1e} at most")
        if "score" in example:
            score = load_discriminator(folder / "netD.safetensors")(example["image"], example.get("condition"))
            print(f"scores differ from graft's by {(score - example['score']).abs().max():.1e} at most")
