#!/usr/bin/env python3
"""Makes the golden values in tests/golden: what PyTorch computes, for graft to be held against.

It writes three safetensors files, each under 1 MiB and all float64, and the README.md that lists their tensors:

  dcgan32.safetensors, dcgan64.safetensors   three training steps of a small DCGAN: initial state, inputs, losses,
                                             the first step's gradients and images, the state after the third step
  ops.safetensors                            single ops and losses with their gradients, the R1 penalty with its own

Run it from anywhere; nothing in graft's build or tests needs Python:

  python3 -m venv V && V/bin/pip install torch numpy safetensors && V/bin/python scripts/make_golden.py

It computes in float64 on one CPU thread, so the same version of PyTorch on the same kind of machine writes the same
bytes; that version is the one metadata entry (`torch`) of each file. Every input and every initial weight is rounded
to a value that float32 represents, so that an f32 device starts from exactly the same numbers.

Where it departs from the DCGAN paper: filters start from N(0, 0.1) and gamma and beta from N(1, 0.1) and N(0, 0.1),
not N(0, 0.02), N(1, 0.02) and 0. At widths as small as these, 0.02 leaves the scores and the gradients so small
that an absolute tolerance would pass wrong code, and beta = 0 would hide a beta that is never applied.
"""
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import save_file

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "golden"
SIZE_LIMIT = 1 << 20

# Seeds are the best of 1 to 24 in this: how far every input of a ReLU or LeakyReLU keeps from 0. Nearer, f32 rounding
# could take the other branch, and an f32 gradient would differ by far more than rounding.
SEED_32, SEED_64, SEED_OPS = 15, 21, 14
KINK_MARGIN = 3e-6

FILTER_STD = 0.1
GAMMA_STD = BETA_STD = 0.1

STEPS = 3
LEARNING_RATE, BETAS, ADAM_EPS = 2e-4, (0.5, 0.999), 1e-8
LEAKY_SLOPE = 0.2


class Golden:
    """The tensors of one file, each with the sentence that the README says about it."""

    def __init__(self, name, seed, about):
        self.name, self.seed, self.about = name, seed, about
        self.tensors, self.meanings = {}, {}
        torch.manual_seed(seed)

    def put(self, name, tensor, meaning):
        assert name not in self.tensors and tensor.dtype == torch.float64 and tensor.isfinite().all(), name
        self.tensors[name] = tensor.detach().clone(memory_format=torch.contiguous_format)
        self.meanings[name] = meaning

    def save(self):
        path = FOLDER / self.name
        # One entry only: safetensors does not fix the order of several, and the bytes should repeat.
        save_file(self.tensors, path, metadata={"torch": torch.__version__})
        assert path.stat().st_size < SIZE_LIMIT, f"{path}: {path.stat().st_size} bytes"
        print(f"{path}: {path.stat().st_size} bytes, {len(self.tensors)} tensors")

    def section(self):
        rows = [f"| `{name}` | {list(tensor.shape)} | {self.meanings[name]} |" for name, tensor in self.tensors.items()]
        head = [f"## {self.name}", "", f"{self.about} Random seed {self.seed}.", "", "| tensor | shape | meaning |"]
        return "\n".join(head + ["| --- | --- | --- |"] + rows) + "\n"


def rounded(tensor):
    return tensor.float().double()


def normal(*shape, mean=0.0, std=1.0):
    return rounded(torch.randn(shape) * std + mean)


def uniform(*shape):
    """Uniform in [-1, 1], as image values are."""
    return rounded(torch.rand(shape) * 2 - 1)


def nchw(images):
    return images.permute(0, 3, 1, 2)


def nhwc(images):
    return images.permute(0, 2, 3, 1)


class Network(nn.Module):
    """Layers under the attribute `main`, as in PyTorch's DCGAN example, so that names read `main.0.weight`."""

    def __init__(self, *layers):
        super().__init__()
        self.main = nn.Sequential(*layers)

    def forward(self, x):
        return self.main(x)


def check_kink_margin(module, inputs, _output):
    if isinstance(module, (nn.ReLU, nn.LeakyReLU)):
        assert inputs[0].abs().min() > KINK_MARGIN, "an activation's input is too near 0: choose another seed"


def generator(size, latent, width, channels):
    multiples = {32: [4, 2, 1], 64: [8, 4, 2, 1]}[size]
    first = width * multiples[0]
    layers = [nn.ConvTranspose2d(latent, first, 4, 1, 0, bias=False), nn.BatchNorm2d(first), nn.ReLU()]
    for a, b in zip(multiples, multiples[1:]):
        layers += [nn.ConvTranspose2d(width * a, width * b, 4, 2, 1, bias=False), nn.BatchNorm2d(width * b), nn.ReLU()]
    return Network(*layers, nn.ConvTranspose2d(width, channels, 4, 2, 1, bias=False), nn.Tanh())


def discriminator(size, width, channels, batch_norm=True):
    multiples = {32: [1, 2, 4], 64: [1, 2, 4, 8]}[size]
    # Without norms nothing else shifts, so that the layers have biases.
    bias = not batch_norm
    layers = [nn.Conv2d(channels, width, 4, 2, 1, bias=bias), nn.LeakyReLU(LEAKY_SLOPE)]
    for a, b in zip(multiples, multiples[1:]):
        layers.append(nn.Conv2d(width * a, width * b, 4, 2, 1, bias=bias))
        layers += [nn.BatchNorm2d(width * b)] if batch_norm else []
        layers.append(nn.LeakyReLU(LEAKY_SLOPE))
    return Network(*layers, nn.Conv2d(width * multiples[-1], 1, 4, 1, 0, bias=False))


@torch.no_grad()
def initialise(network):
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            module.weight.copy_(normal(*module.weight.shape, std=FILTER_STD))
            if module.bias is not None:
                module.bias.copy_(normal(*module.bias.shape, std=BETA_STD))
        elif isinstance(module, nn.BatchNorm2d):
            module.weight.copy_(normal(*module.weight.shape, mean=1.0, std=GAMMA_STD))
            module.bias.copy_(normal(*module.bias.shape, std=BETA_STD))
    return network


PARTS = {
    (nn.Conv2d, "weight"): "filters [out, in, kh, kw]",
    (nn.Conv2d, "bias"): "biases",
    (nn.ConvTranspose2d, "weight"): "filters [in, out, kh, kw]",
    (nn.BatchNorm2d, "weight"): "batch norm gamma",
    (nn.BatchNorm2d, "bias"): "batch norm beta",
    (nn.BatchNorm2d, "running_mean"): "batch norm running mean",
    (nn.BatchNorm2d, "running_var"): "batch norm running variance (unbiased)",
}


def part(network, name):
    """What a state_dict entry of the network is."""
    module, _, leaf = name.rpartition(".")
    return PARTS[type(network.get_submodule(module)), leaf]


def put_state(golden, prefix, when, networks):
    for label, network in networks.items():
        for name, tensor in network.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                golden.put(f"{prefix}.{label}.{name}", tensor, f"{part(network, name)}, {when}")


def put_gradients(golden, prefix, loss, label, network):
    for name, parameter in network.named_parameters():
        gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        golden.put(f"{prefix}.{label}.{name}", gradient, f"gradient of {loss} by {part(network, name)}")


def bce(scores, target):
    return F.binary_cross_entropy_with_logits(scores.flatten(), torch.full((scores.numel(),), target))


def dcgan(size, seed, width, channels, latent, batch):
    golden = Golden(
        f"dcgan{size}.safetensors",
        seed,
        f"A DCGAN of size {size}: width {width}, {channels} channel(s), latent {latent}, batch {batch}.",
    )
    net_g = initialise(generator(size, latent, width, channels))
    net_d = initialise(discriminator(size, width, channels))
    networks = {"netG": net_g, "netD": net_d}
    real = uniform(batch, size, size, channels)
    latents = [normal(batch, latent) for _ in range(STEPS)]

    golden.put("real", real, "real images, the same in every step, NHWC in [-1, 1]")
    for s, z in enumerate(latents):
        golden.put(f"z.{s}", z, f"latents of step {s}")
    put_state(golden, "init", "before step 0", networks)

    adam_g, adam_d = (torch.optim.Adam(n.parameters(), LEARNING_RATE, BETAS, ADAM_EPS) for n in (net_g, net_d))
    losses = []
    for s, z in enumerate(latents):
        fake = net_g(z[:, :, None, None])
        adam_d.zero_grad()
        loss_real = bce(net_d(nchw(real)), 1.0)
        loss_fake = bce(net_d(fake.detach()), 0.0)
        (loss_real + loss_fake).backward()
        if s == 0:
            golden.put("fake", nhwc(fake), "G(z.0) of step 0, batch norm in training mode, NHWC")
            put_gradients(golden, "grad.0", "d_real + d_fake (step 0)", "netD", net_d)
        adam_d.step()

        adam_g.zero_grad()
        loss_g = bce(net_d(fake), 1.0)
        loss_g.backward(inputs=list(net_g.parameters()))
        if s == 0:
            put_gradients(golden, "grad.0", "g (step 0, after D's update)", "netG", net_g)
        adam_g.step()
        losses.append([loss.item() for loss in (loss_real, loss_fake, loss_g)])

    golden.put("losses", torch.tensor(losses), "one row a step: d_real, d_fake, g")
    put_state(golden, "after", f"after step {STEPS - 1}", networks)
    for s, row in enumerate(losses):
        print(f"{golden.name} step {s}: d_real {row[0]:.15f}  d_fake {row[1]:.15f}  g {row[2]:.15f}")
    return golden


def put_op(golden, op, function, says, **inputs):
    """Stores the inputs, y = function(inputs), a random cotangent g, and the gradient of sum(y * g) by each input."""
    inputs = {name: tensor.requires_grad_() for name, tensor in inputs.items()}
    y = function(**inputs)
    g = normal(*y.shape)
    gradients = torch.autograd.grad((y * g).sum(), list(inputs.values()))
    for name, tensor in inputs.items():
        golden.put(f"{op}.{name}", tensor, says[name])
    golden.put(f"{op}.y", y, says["y"])
    golden.put(f"{op}.g", g, "cotangent of y")
    for name, gradient in zip(inputs, gradients):
        golden.put(f"{op}.grad_{name}", gradient, f"gradient of sum(y * g) by {name}")


def put_norms(golden):
    shape = (2, 3, 4, 5)
    affine = {"gamma": "scale, one a channel", "beta": "offset, one a channel"}
    formula = "(x - mean) / sqrt(var + 1e-5) * gamma + beta, NHWC; mean and biased variance"

    def inputs():
        return dict(
            x=normal(*shape, mean=0.5, std=1.5), gamma=normal(5, mean=1.0, std=0.5), beta=normal(5, std=0.5)
        )

    mean, variance = torch.zeros(5), torch.ones(5)
    put_op(
        golden,
        "batch_norm",
        lambda x, gamma, beta: nhwc(F.batch_norm(nchw(x), mean, variance, gamma, beta, training=True)),
        dict(x="input, NHWC", y=f"{formula} over n, h, w (training mode)", **affine),
        **inputs(),
    )
    golden.put("batch_norm.running_mean", mean, "running mean after this one update from 0, momentum 0.1")
    golden.put(
        "batch_norm.running_var", variance, "running variance after this one update from 1, momentum 0.1, unbiased"
    )

    # Group norm with one group is layer norm over (h, w, c) whose scale and offset are a channel's, not a pixel's.
    put_op(
        golden,
        "layer_norm",
        lambda x, gamma, beta: nhwc(F.group_norm(nchw(x), 1, gamma, beta)),
        dict(x="input, NHWC", y=f"{formula} over h, w, c", **affine),
        **inputs(),
    )
    put_op(
        golden,
        "instance_norm",
        lambda x, gamma, beta: nhwc(F.instance_norm(nchw(x), weight=gamma, bias=beta)),
        dict(x="input, NHWC", y=f"{formula} over h, w", **affine),
        **inputs(),
    )


def put_convolutions(golden):
    says = "kernel 3x2, stride 2 (h) and 3 (w), padding 1 (h) and 0 (w), NHWC"
    put_op(
        golden,
        "conv2d",
        lambda x, weight: nhwc(F.conv2d(nchw(x), weight, stride=(2, 3), padding=(1, 0))),
        # The sizes leave a remainder on both axes, and columns 2, 5 and 8 are never read.
        dict(x="input, NHWC", weight="filters [out, in, kh, kw]", y=f"output, {says}"),
        x=normal(2, 6, 9, 3),
        weight=normal(4, 3, 3, 2, std=0.5),
    )
    put_op(
        golden,
        "conv_transpose2d",
        lambda x, weight: nhwc(F.conv_transpose2d(nchw(x), weight, stride=(2, 3), padding=(1, 0))),
        dict(x="input, NHWC", weight="filters [in, out, kh, kw]", y=f"output, {says}, no output padding"),
        x=normal(2, 3, 4, 3),
        weight=normal(3, 4, 3, 2, std=0.5),
    )


def put_resampling(golden):
    put_op(
        golden,
        "bilinear_x2",
        lambda x: nhwc(F.interpolate(nchw(x), scale_factor=2, mode="bilinear", align_corners=False)),
        dict(x="input, NHWC", y="enlarged twice, bilinear, align_corners false, NHWC"),
        x=normal(2, 3, 5, 2),
    )
    put_op(
        golden,
        "avg_pool",
        lambda x: nhwc(F.avg_pool2d(nchw(x), 3, 2, 1, count_include_pad=True)),
        dict(x="input, NHWC", y="3x3 mean, stride 2, padding 1, padding counted (always divided by 9), NHWC"),
        x=normal(2, 7, 6, 3),
    )
    put_op(
        golden,
        "max_pool",
        lambda x: nhwc(F.max_pool2d(nchw(x), 3, 2, 1)),
        # Mostly negative, so that padding with zero instead of -infinity shows.
        dict(x="input, NHWC, mostly negative", y="3x3 maximum, stride 2, padding 1 (never the maximum), NHWC"),
        x=normal(2, 7, 6, 3, mean=-2.0),
    )


def put_spectral_norm(golden):
    weight = normal(4, 3, 3, 2)
    put_op(
        golden,
        "spectral_norm",
        lambda weight: weight / torch.linalg.matrix_norm(weight.flatten(1), 2),
        dict(weight="filters [out, in, kh, kw]", y="weight / sigma"),
        weight=weight,
    )
    singular_values = torch.linalg.svdvals(weight.detach().flatten(1))
    golden.put("spectral_norm.sigma", singular_values[0], "largest singular value of weight as [out, in * kh * kw]")
    golden.put("spectral_norm.singular_values", singular_values, "all, largest first, by SVD")


def put_losses(golden):
    logits = normal(4, 6, std=3.0).requires_grad_()
    labels = torch.tensor([2, 0, 5, 2])
    each = F.cross_entropy(logits, labels, reduction="none")
    golden.put("cross_entropy.logits", logits, "logits [n, classes]")
    golden.put("cross_entropy.labels", labels.double(), "class numbers (whole numbers, stored as float64)")
    golden.put("cross_entropy.each", each, "-log softmax(logits)[label]")
    golden.put("cross_entropy.loss", each.mean(), "mean of each")
    golden.put("cross_entropy.grad_logits", torch.autograd.grad(each.mean(), logits)[0], "gradient of loss by logits")

    logits = torch.cat([normal(6, std=3.0), torch.tensor([0.0, -100.0, 100.0, -100.0, 100.0])]).requires_grad_()
    targets = torch.tensor([0.0, 1.0, 0.0, 1.0, 0.25, 0.875, 1.0, 0.0, 1.0, 1.0, 0.0])
    each = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    golden.put("bce_with_logits.logits", logits, "logits, among them 0 and +-100")
    golden.put("bce_with_logits.targets", targets, "targets in [0, 1], two of them soft")
    golden.put("bce_with_logits.each", each, "softplus(logit) - target * logit")
    golden.put("bce_with_logits.loss", each.mean(), "mean of each")
    golden.put("bce_with_logits.grad_logits", torch.autograd.grad(each.mean(), logits)[0], "gradient of loss by logits")

    put_op(
        golden,
        "softplus",
        # The default threshold of 20 returns x above it, which is off by 2e-9; 1000 keeps log(1 + exp(x)) throughout.
        lambda x: F.softplus(x, threshold=1000),
        dict(x="-100 to 100", y="log(1 + exp(x)), nowhere replaced by x; 3.7e-44 at -100"),
        x=torch.cat([torch.arange(-100.0, 101.0, 10.0), torch.arange(-3.0, 3.25, 0.5)]).unique(),
    )


def put_r1(golden):
    network = initialise(discriminator(32, 4, 3, batch_norm=False))
    x = uniform(2, 32, 32, 3).requires_grad_()
    scores = network(nchw(x)).flatten()
    (grad_x,) = torch.autograd.grad(scores.sum(), x, create_graph=True)
    penalty = 0.5 * grad_x.square().sum((1, 2, 3)).mean()
    penalty.backward(inputs=list(network.parameters()))
    golden.put("r1.x", x, "images, NHWC in [-1, 1]")
    for name, tensor in network.named_parameters():
        golden.put(f"r1.netD.{name}", tensor, part(network, name))
    golden.put("r1.scores", scores, "D(x); LeakyReLU(0.2) after all but the last layer, no norms, biases below it")
    golden.put("r1.grad_x", grad_x, "gradient of sum(D(x)) by x, NHWC")
    golden.put("r1.penalty", penalty, "0.5 * mean over images of the squared norm of grad_x")
    put_gradients(golden, "r1.grad", "the penalty", "netD", network)


def ops():
    golden = Golden(
        "ops.safetensors",
        SEED_OPS,
        "Single ops. Where there is a `g`, gradients are those of sum(y * g); otherwise the row says of what.",
    )
    for family in (put_norms, put_convolutions, put_resampling, put_spectral_norm, put_losses, put_r1):
        family(golden)
    return golden


README = """# Golden values from PyTorch

What PyTorch {torch} computes in float64, for the tests to hold graft against. `scripts/make_golden.py` makes
the files and this page; run it again (its header says how) rather than edit either. All tensors are float64. All inputs
and initial weights are exact in float32. Image tensors are NHWC; filters have PyTorch's layout (`Conv2d` [out, in, kh,
kw], `ConvTranspose2d` [in, out, kh, kw]) and names (`main.0.weight`).

The networks of the dcgan files are named as in PyTorch's DCGAN example: k4 s2 p1 layers without biases (k4 s1 p0 at G's
input and D's output), batch norm (eps 1e-5, momentum 0.1) but at G's output and D's input, ReLU in G, LeakyReLU(0.2) in
D, tanh, and no sigmoid. Filters start from N(0, 0.1), gamma from N(1, 0.1), beta from N(0, 0.1), running statistics
from 0 and 1. One step, in this order, always in training mode:

1. fake = G(z)
2. d_real = BCE with logits of D(real) against 1; d_fake = that of D(fake), detached, against 0, in a pass of its own
3. Adam on D with the gradient of d_real + d_fake
4. g = BCE with logits of the updated D(fake) against 1
5. Adam on G with the gradient of g, through the G of step 1

Adam has rate 2e-4, betas (0.5, 0.999), eps 1e-8. D's running statistics are updated by each of its three passes in a
step (real, fake, fake again), G's once. The running variance takes the unbiased batch variance (n / (n - 1)), while the
normalisation itself uses the biased one.

For tolerances on an f32 device: the same steps in PyTorch's own float32 (2.15, CPU) stay within 2e-6 in losses and
images, 5e-6 in gradients (norm of the difference over norm of the gradient, tensor by tensor) and 1e-6 in every element
of `after.*`. The smallest gradients are near 1e-6, and Adam's first update is nearly 2e-4 * sign(gradient): an absolute
gradient error of that size moves single weights by up to 4e-4.
"""


def main():
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    nn.modules.module.register_module_forward_hook(check_kink_margin)
    FOLDER.mkdir(parents=True, exist_ok=True)
    files = [
        dcgan(32, SEED_32, width=8, channels=3, latent=12, batch=5),
        dcgan(64, SEED_64, width=4, channels=1, latent=7, batch=3),
        ops(),
    ]
    for golden in files:
        golden.save()
    sections = [README.format(torch=torch.__version__)] + [golden.section() for golden in files]
    (FOLDER / "README.md").write_text("\n".join(sections))


if __name__ == "__main__":
    main()
