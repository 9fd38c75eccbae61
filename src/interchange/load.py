"""The networks of a `graft export` in PyTorch, built from their layers in networks.json, which lies beside the files of weights.
`python load.py` compares them with graft's own outputs in example.safetensors."""
import json
from functools import partial
from pathlib import Path

import torch
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


class Standardise(nn.Module):
    """Each image to mean 0 and variance 1: "instance" each channel, "layer" all of them together."""

    def __init__(self, kind, epsilon):
        super().__init__()
        self.axes, self.epsilon = (2, 3) if kind == "instance" else (1, 2, 3), epsilon

    def forward(self, x):
        x = x - x.mean(self.axes, keepdim=True)
        return x / ((x * x).mean(self.axes, keepdim=True) + self.epsilon).sqrt()


def convolution(kind, inputs, outputs, kernel, stride, padding, bias, spectral, **_):
    module = kind(inputs, outputs, kernel, stride, padding, bias=bias)
    return spectral_norm(module) if spectral else module


MODULES = {
    "convolution": partial(convolution, nn.Conv2d),
    "transposed_convolution": partial(convolution, nn.ConvTranspose2d),
    "norm": lambda kind, channels, condition, **_: ConditionalBatchNorm(channels, condition) if condition else NORMS[kind](channels),
    "identity": lambda **_: nn.Identity(),
    "relu": lambda **_: nn.ReLU(),
    "leaky_relu": lambda slope, **_: nn.LeakyReLU(slope),
    "tanh": lambda **_: nn.Tanh(),
    "upsample": lambda factor, **_: nn.Upsample(scale_factor=factor),
    "average_pool": lambda side, **_: nn.AvgPool2d(side),
    "projection": lambda condition, channels, **_: nn.Linear(condition, channels, bias=False),
    "standardise": lambda kind, epsilon, **_: Standardise(kind, epsilon),
    "flatten": lambda **_: nn.Flatten(),
    "linear": lambda inputs, outputs, **_: nn.Linear(inputs, outputs),
    "softmax": lambda **_: nn.Softmax(1),
}


class Network(nn.Module):
    """A generator: latents [n, latent] to images [n, channels, size, size] in (-1, 1); or a discriminator: images to scores [n], logits.
    Both take conditions [n, classes + features] too, if they have any. Or a classifier: images in [-1, 1] to probabilities [n, classes]."""

    def __init__(self, layers):
        super().__init__()
        self.layers = layers
        self.place(layers)

    def place(self, layers):
        """Adds the module of each layer under the layer's name, whose parts are modules in modules."""
        for layer in layers:
            if layer["layer"] == "residual":
                self.place(layer["body"])
                self.place(layer["shortcut"])
            elif layer["layer"] in MODULES:
                *path, last = layer["name"].split(".")
                parent = self
                for part in path:
                    if part not in dict(parent.named_children()):
                        parent.add_module(part, nn.Module())
                    parent = parent.get_submodule(part)
                parent.add_module(last, MODULES[layer["layer"]](**layer))

    def forward(self, x, condition=None):
        return self.walk(self.layers, x, condition)

    def walk(self, layers, x, condition):
        maps = None
        for layer in layers:
            match layer["layer"]:
                case "spread":
                    x = x[:, :, None, None]
                case "scores":
                    x = x.flatten()
                case "map":
                    maps = x
                case "sum_pool":
                    x = x.sum((2, 3), keepdim=True)
                case "residual":
                    x = self.walk(layer["body"], x, condition) + self.walk(layer["shortcut"], x, condition)
                case "projection":
                    x = x + (self.get_submodule(layer["name"])(condition) * maps.sum((2, 3))).sum(1)
                case _:
                    module = self.get_submodule(layer["name"])
                    x = module(x, condition) if isinstance(module, ConditionalBatchNorm) else module(x)
        return x


def load(network, path):
    layers = json.loads((Path(path).parent / "networks.json").read_text(encoding="utf-8"))
    network = Network(layers[network])
    network.load_state_dict(load_file(path))
    return network.eval()


load_generator, load_discriminator = partial(load, "generator"), partial(load, "discriminator")
load_classifier = partial(load, "classifier")

if __name__ == "__main__":
    folder = Path(__file__).parent
    example = load_file(folder / "example.safetensors")
    with torch.no_grad():
        if "probabilities" in example:
            found = load_classifier(folder / "netC.safetensors")(example["image"])
            print(f"probabilities differ from graft's by {(found - example['probabilities']).abs().max():.1e} at most")
        else:
            image = load_generator(folder / "netG.safetensors")(example["latent"], example.get("condition"))
            print(f"images differ from graft's by {(image - example['image']).abs().max():.1e} at most")
        if "score" in example:
            score = load_discriminator(folder / "netD.safetensors")(example["image"], example.get("condition"))
            print(f"scores differ from graft's by {(score - example['score']).abs().max():.1e} at most")
