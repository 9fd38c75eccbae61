#!/usr/bin/env python3
"""Makes tests/golden/gan_ops.safetensors, what PyTorch computes in float64 for the ops that GAN code uses beyond a DCGAN's, and gan_ops.md,
which lists its tensors. make_golden.py says how to run it and how inputs are chosen.
"""
import torch
import torch.nn.functional as F

from make_golden import FOLDER, Golden, nchw, nhwc, normal, put_op, rounded

SEED = 18


def put_image_op(golden, op, function, says, x, **inputs):
    says = {"x": "input, NHWC", **says}
    put_op(golden, op, lambda x, **rest: nhwc(function(nchw(x), **rest)), says, x=x, **inputs)


def put_elementwise(golden):
    row = lambda op, function, x, y: put_op(golden, op, lambda x: function(x), dict(x="input", y=y), x=x.clone())
    wide = torch.cat([normal(9), torch.tensor([-9.0, -2.5, 0.0, 0.5, 1.5, 2.5, 9.0])])
    row("sin", torch.sin, wide, "sine")
    row("cos", torch.cos, wide, "cosine")
    row("erf", torch.erf, wide, "error function")
    row("gelu", F.gelu, wide, "GELU, exact")
    row("silu", F.silu, wide, "SiLU")
    row("powf", lambda x: x**-1.75, rounded(normal(9).abs() + 0.1), "x to the power -1.75")
    row("round", lambda x: torch.round(x) + 0 * x, wide, "nearest whole number, halves to even")
    row("floor", lambda x: torch.floor(x) + 0 * x, wide, "largest whole number not above")
    row("sign", lambda x: torch.sign(x) + 0 * x, wide, "sign")
    base = torch.cat([rounded(normal(6).abs() + 0.1), torch.tensor([-2.0, -2.0])])
    # The slope by an exponent of a negative number is none, so exponents are no input here.
    exponents = torch.cat([normal(6), torch.tensor([3.0, -2.0])])
    golden.put("pow.exponents", exponents, "exponents")
    row("pow", lambda x: x**exponents, base, "x to the power of exponents")
    says = dict(x="input", slopes="slope a channel", y="PReLU")
    put_op(golden, "prelu", lambda x, slopes: F.prelu(x, slopes), says, x=torch.cat([normal(3, 4), torch.zeros(1, 4)]), slopes=normal(4))


def put_lines(golden):
    row = lambda op, function, y, x: put_op(golden, op, lambda x: function(x), dict(x="input", y=y), x=x)
    row("var", lambda x: x.var(1), "variance over 1, unbiased", normal(3, 5, 2))
    row("std", lambda x: x.std((0, 2), correction=0), "standard deviation over 0 and 2, biased", normal(3, 5, 2))
    row("norm", lambda x: x.norm(dim=1), "norm over 1; one line is zeros", torch.cat([normal(3, 5), torch.zeros(1, 5)]))
    row("normalize", lambda x: F.normalize(x, dim=1), "x / max(norm, 1e-12) along 1", normal(3, 5))
    zeros = normal(4, 5)
    zeros[1, 2] = zeros[2, 0] = zeros[2, 3] = 0
    row("prod", lambda x: x.prod(1), "product along 1; of lines with no, one, two and no zeros", zeros)
    row("sort", lambda x: x.sort(1).values, "sorted along 1", normal(3, 6, 2))
    row("top_k", lambda x: x.topk(3, dim=1).values, "the three largest along 1, the largest first", normal(3, 6, 2))
    row("repeat", lambda x: x.repeat(2, 1, 3), "repeated (2, 1, 3) times", normal(2, 3))
    row("roll", lambda x: x.roll(2, 1), "rolled by 2 along 1", normal(2, 5))
    row("chunk", lambda x: torch.stack(x.chunk(3, dim=1)[:2]).sum(0), "sum of the first two of three chunks of 7", normal(2, 7))


def put_images(golden):
    image = lambda *shape: normal(2, *(shape or (5, 6)), 3)
    row = lambda op, function, y, x: put_image_op(golden, op, function, dict(y=f"{y}, NHWC"), x)
    row("pixel_shuffle", lambda x: F.pixel_shuffle(x, 2), "pixel shuffle by 2", normal(2, 3, 2, 8))
    row("group_norm", lambda x: F.group_norm(x, 3), "group norm, 3 groups", normal(2, 3, 4, 6))
    row("reflection", lambda x: F.pad(x, (2, 3, 1, 4), mode="reflect"), "reflection left 2, right 3, above 1, below 4", image())
    row("replication", lambda x: F.pad(x, (2, 3, 1, 7), mode="replicate"), "replication left 2, right 3, above 1, below 7", image())
    pools = {"unequal": (dict(kernel_size=(2, 3), stride=(2, 1), padding=(1, 0)), "kernel 2x3, stride 2x1, padding 1x0")}
    pools["ceil"] = (dict(kernel_size=3, stride=2, padding=1, ceil_mode=True), "kernel 3, stride 2, padding 1, ceil_mode")
    for name, (options, says) in pools.items():
        row(f"average_pool_{name}", lambda x: F.avg_pool2d(x, **options), f"mean, {says}", image())
        row(f"max_pool_{name}", lambda x: F.max_pool2d(x, **options), f"maximum, {says}", image() - 2)
    row("adaptive_average_pool", lambda x: F.adaptive_avg_pool2d(x, (3, 4)), "adaptive mean to 3x4", image())
    row("adaptive_max_pool", lambda x: F.adaptive_max_pool2d(x, (3, 4)), "adaptive maximum to 3x4", image())
    for mode, corners in (("bilinear", True), ("bicubic", False), ("bicubic", True)):
        name = f"{mode}_corners" if corners else mode
        for size in ((9, 4), (3, 11)):
            resize = lambda x: F.interpolate(x, size=size, mode=mode, align_corners=corners)
            row(f"{name}_{size[0]}x{size[1]}", resize, f"{mode} to {size[0]}x{size[1]}, align_corners {corners}", image())
    row("area", lambda x: F.interpolate(x, size=(3, 8), mode="area"), "area to 3x8", image())


def put_grids(golden):
    for corners in (False, True):
        name = "centres" if corners else "edges"
        theta = normal(2, 2, 3)
        grid = lambda theta: F.affine_grid(theta, (2, 3, 3, 4), align_corners=corners)
        put_op(golden, f"affine_grid_{name}", grid, dict(theta="affine maps", y=f"grid of 3x4, align_corners {corners}"), theta=theta)
        for outside in ("zeros", "border", "reflection"):
            for mode in ("bilinear", "nearest"):
                sample = lambda x, grid: F.grid_sample(x, grid, mode=mode, padding_mode=outside, align_corners=corners)
                says = dict(grid="places, across and down", y=f"{mode}, {outside}, align_corners {corners}, NHWC")
                grid = rounded(normal(2, 3, 4, 2, std=0.9))
                put_image_op(golden, f"grid_{mode}_{outside}_{name}", sample, says, normal(2, 4, 5, 3), grid=grid)


def put_losses(golden):
    loss = lambda op, function, x, t, y: put_op(golden, op, lambda x, t: function(x, t), dict(x="input", t="targets", y=y), x=x, t=t)
    share = lambda: rounded(torch.rand(3, 4) * 0.9 + 0.05)
    targets = share()
    golden.put("bce.t", targets, "targets")
    bce = lambda x: F.binary_cross_entropy(x, targets)
    put_op(golden, "bce", bce, dict(x="probabilities", y="mean BCE of probabilities"), x=share())
    loss("mse", F.mse_loss, normal(3, 4), normal(3, 4), "mean squared distance")
    loss("l1", F.l1_loss, normal(3, 4), normal(3, 4), "mean absolute distance")


def put_instance_norm(golden):
    x, mean, variance = normal(3, 4, 5, 2, mean=0.5, std=1.5), torch.zeros(2), torch.ones(2)
    golden.put("instance_norm.x", x, "input, NHWC")
    y = F.instance_norm(nchw(x), mean, variance, use_input_stats=True)
    golden.put("instance_norm.y", nhwc(y), "instance norm by the samples' own statistics, NHWC")
    golden.put("instance_norm.running_mean", mean, "running mean after this one update from 0, momentum 0.1")
    golden.put("instance_norm.running_var", variance, "running variance after this one update from 1, momentum 0.1")
    y = F.instance_norm(nchw(x), mean, variance, use_input_stats=False)
    golden.put("instance_norm.evaluated", nhwc(y), "by those running statistics, NHWC")


def put_convolutions(golden):
    for name, options, says, channels in (
        ("grouped", dict(stride=(2, 1), padding=1, groups=2), "stride 2 (h) and 1 (w), padding 1, 2 groups", (4, 6)),
        ("depthwise", dict(stride=1, padding=1, groups=3), "stride 1, padding 1, 3 groups", (3, 3)),
        ("dilated", dict(stride=1, padding=2, dilation=(2, 3)), "stride 1, padding 2, dilation 2 (h) and 3 (w)", (3, 2)),
        ("both", dict(stride=2, padding=(3, 2), dilation=(3, 2), groups=2), "stride 2, padding 3 (h) and 2 (w), dilation 3 (h) and 2 (w), 2 groups", (4, 2)),
    ):
        groups, (fine, coarse) = options.get("groups", 1), channels
        says = f"kernel 3x2, {says}, NHWC"
        put_image_op(
            golden,
            f"conv2d_{name}",
            lambda x, weight: F.conv2d(x, weight, **options),
            dict(weight="filters [out, in / groups, kh, kw]", y=says),
            normal(2, 8, 9, fine),
            weight=normal(coarse, fine // groups, 3, 2, std=0.5),
        )
        put_image_op(
            golden,
            f"conv_transpose2d_{name}",
            lambda x, weight: F.conv_transpose2d(x, weight, **options),
            dict(weight="filters [in, out / groups, kh, kw]", y=f"{says}, no output padding"),
            normal(2, 4, 5, coarse),
            weight=normal(coarse, fine // groups, 3, 2, std=0.5),
        )


HEAD = """# Golden values of the ops that GAN code uses

What PyTorch {torch} computes in float64, made by `scripts/make_gan_ops_golden.py` (its header says how). All tensors are float64.

"""


def main():
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    golden = Golden("gan_ops.safetensors", SEED, "Where there is a `g`, gradients are those of sum(y * g).")
    for family in (put_elementwise, put_lines, put_images, put_grids, put_losses, put_instance_norm, put_convolutions):
        family(golden)
    golden.save()
    (FOLDER / "gan_ops.md").write_text(HEAD.format(torch=torch.__version__) + golden.section())


if __name__ == "__main__":
    main()
