#!/usr/bin/env python3
"""The parts of scripts/check_export.sh that need PyTorch, each by its name on the command line."""
import runpy
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from safetensors.numpy import load_file
from torch import nn

TOLERANCE = 1e-5


def check(what, found, truth):
    """Fails unless both agree; scores beyond 1 may differ by as much of their size."""
    found, truth = np.asarray(found), np.asarray(truth)
    assert found.shape == truth.shape, (what, found.shape, truth.shape)
    worst = (np.abs(found - truth) / np.maximum(1, np.abs(truth))).max()
    print(f"  {what}: {worst:.1e} apart, of {np.abs(truth).max():.2f} at most")
    assert worst <= TOLERANCE, what


def compare(name):
    """PyTorch and onnxruntime against the examples of an export."""
    print(name.name)
    folder = Path(f"{name}.torch")
    load = runpy.run_path(str(folder / "load.py"))
    example = load_file(folder / "example.safetensors")
    if "probabilities" in example:
        return compare_classifier(name, load, example)
    latent, image = torch.from_numpy(example["latent"]), torch.from_numpy(example["image"])
    condition = torch.from_numpy(example["condition"]) if "condition" in example else None
    assert image.abs().max() > 1e-3 and (condition is None or condition.abs().max() > 0)
    netG, netD = load["load_generator"](folder / "netG.safetensors"), load["load_discriminator"](folder / "netD.safetensors")
    with torch.no_grad():
        check("images in PyTorch", netG(latent, condition), example["image"])
        check("scores in PyTorch", netD(image, condition), example["score"])
        if condition is not None:
            other = condition.roll(1, 0)
            assert (netG(latent, other) - image).abs().max() > 10 * TOLERANCE, "images depend on conditions"
            assert (netD(image, other).numpy() != example["score"]).any(), "scores depend on conditions"
    # Training goes on from there.
    netD.train()(netG.train()(latent, condition), condition).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for net in (netG, netD) for p in net.parameters())

    path = f"{name}.onnx/netG.onnx"
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    inputs = {value.name: example[value.name] for value in session.get_inputs()}
    assert sorted(inputs) == (["latent"] if condition is None else ["condition", "latent"])
    check("images in onnxruntime", session.run(["image"], inputs)[0], example["image"])
    one = {name: rows[:1] for name, rows in inputs.items()}
    check("one image in onnxruntime", session.run(["image"], one)[0], example["image"][:1])


def compare_classifier(name, load, example):
    """PyTorch and onnxruntime against the probabilities of an export."""
    image, truth = torch.from_numpy(example["image"]), example["probabilities"]
    assert np.ptp(truth, 0).max() > 0.01, "images have their own probabilities"
    netC = load["load_classifier"](Path(f"{name}.torch/netC.safetensors"))
    with torch.no_grad():
        check("probabilities in PyTorch", netC(image), truth)
    (netC.train()(image)[:, 0]).log().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in netC.parameters())
    path = f"{name}.onnx/netC.onnx"
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert [value.name for value in session.get_inputs()] == ["image"]
    check("probabilities in onnxruntime", session.run(["probabilities"], {"image": example["image"]})[0], truth)
    check("one image in onnxruntime", session.run(["probabilities"], {"image": example["image"][:1]})[0], truth[:1])


def example(folder, width=16, latent=20, channels=3):
    """Networks of the shape of PyTorch's DCGAN example, the generator's within DataParallel as it saves it on several GPUs."""
    torch.manual_seed(1)
    widths = [width * 8, width * 4, width * 2, width]
    up, inputs = [], latent
    for level, outputs in enumerate(widths):
        by = (2, 1) if level else (1, 0)
        up += [nn.ConvTranspose2d(inputs, outputs, 4, *by, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(True)]
        inputs = outputs
    down, inputs = [], channels
    for level, outputs in enumerate(reversed(widths)):
        norm = [nn.BatchNorm2d(outputs)] if level else []
        down += [nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False), *norm, nn.LeakyReLU(0.2, inplace=True)]
        inputs = outputs
    netG, netD = nn.Module(), nn.Module()
    netG.main = nn.Sequential(*up, nn.ConvTranspose2d(width, channels, 4, 2, 1, bias=False), nn.Tanh())
    netD.main = nn.Sequential(*down, nn.Conv2d(widths[0], 1, 4, 1, 0, bias=False), nn.Sigmoid())
    for module in [*netG.main, *netD.main]:
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0, 0.1)  # the example's 0.02 leaves scores of such small networks near 0
    for _ in range(20):  # statistics that are not those of the start
        fake = netG.main(torch.randn(16, latent, 1, 1))
        netD.main(fake.detach())
    folder.mkdir()
    torch.save(nn.DataParallel(netG).state_dict(), folder / "netG.pth")
    torch.save(netD.state_dict(), folder / "netD.pth")
    torch.save((netG, netD), folder / "both.pt")


def follow(advice):
    """Runs the two lines that graft says, for the file it says them of and for the discriminator's."""
    text = Path(advice).read_text()
    assert text.startswith("error: ") and text.count("\n") == 1, text
    first, second = text.split("`")[1:4:2]
    for second in (second, second.replace("netG", "netD")):
        exec(f"{first}\n{second}", {})


def imported(folder, export):
    """What graft makes of the example's networks against what PyTorch does."""
    netG, netD = torch.load(folder / "both.pt", weights_only=False)
    example = load_file(Path(export) / "example.safetensors")
    latent, image = torch.from_numpy(example["latent"]), torch.from_numpy(example["image"])
    with torch.no_grad():
        images = netG.eval().main(latent[:, :, None, None]).numpy()
        check("images of the example's networks", example["image"], images)
        scores = torch.from_numpy(example["score"]).sigmoid()
        check("scores of the example's networks", scores, netD.eval().main(image).flatten())
    sampled = np.load(folder / "samples.npy").astype(np.float64)
    apart = np.abs(sampled - (images.transpose(0, 2, 3, 1) + 1) * 127.5).max()
    print(f"  `graft sample`: at most {apart:.3f} of 255 levels from PyTorch's images")
    assert apart <= 0.51


if __name__ == "__main__":
    command, *paths = sys.argv[1:]
    {"compare": compare, "example": example, "follow": follow, "imported": imported}[command](*map(Path, paths))
