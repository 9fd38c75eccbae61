#!/usr/bin/env python3
"""PyTorch side of the comparison of a classifier's step: `graft::benchmark::classifier_steps` in PyTorch.

Prints one line of JSON with the keys of torch_dcgan.py. One step = the cross-entropy of a labelled batch, what the average of the weights says of an
unlabelled one (no gradient), the cross-entropy of that on another view of it, Adam, and the average. Images are random and changed already.

The network: each channel of an image to mean 0 and variance 1; 3x3 to half a width, then 4x4 with stride 2 to one, two and two widths, 4x4 over the
whole map to two widths, each with batch norm and ReLU; a linear map to ten classes.
"""
import argparse, copy, json, resource, statistics, time
import torch
import torch.nn as nn
import torch.nn.functional as F

CLASSES = 10


def classifier(width):
    layers, inputs = [nn.InstanceNorm2d(3, eps=1e-6)], 3
    for outputs, kernel, stride, padding in [
        (width // 2, 3, 1, 1), (width, 4, 2, 1), (2 * width, 4, 2, 1), (2 * width, 4, 2, 1), (2 * width, 4, 1, 0)
    ]:
        layers += [nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False),
                   nn.BatchNorm2d(outputs, track_running_stats=False), nn.ReLU(True)]
        inputs = outputs
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(inputs, CLASSES))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--features", type=int, default=32, help="the width")
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--steps", type=int, default=20)
    p.add_argument("--warmup", type=int, default=3)
    p.add_argument("--threads", type=int, default=0)
    p.add_argument("--channels-last", action="store_true")
    a = p.parse_args()
    if a.threads:
        torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    form = torch.channels_last if a.channels_last else torch.contiguous_format
    student = classifier(a.features).to(memory_format=form)
    average = copy.deepcopy(student)
    adam = torch.optim.Adam(student.parameters(), 1e-3)
    labelled, weak, strong = ((torch.rand(a.batch, 3, 32, 32) * 2 - 1).contiguous(memory_format=form) for _ in range(3))
    truth = torch.arange(a.batch) % CLASSES

    def step():
        adam.zero_grad(set_to_none=True)
        loss = F.cross_entropy(student(labelled), truth)
        loss.backward()
        with torch.no_grad():
            sure, said = average(weak).softmax(1).max(1)
            lessons = F.one_hot(said, CLASSES) * (sure >= 0.9).float()[:, None]
        F.cross_entropy(student(strong), lessons).backward()
        adam.step()
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(student.parameters()), 0.001)
        return loss.item()

    times = []
    for i in range(a.warmup + a.steps):
        start = time.perf_counter()
        step()
        if i >= a.warmup:
            times.append(time.perf_counter() - start)
    ms = statistics.median(times) * 1e3
    print(json.dumps(dict(peer=f"torch {torch.__version__}", network="classifier", device="cpu", threads=torch.get_num_threads(), size=32,
                          features=a.features, channels=3, batch=a.batch, channels_last=a.channels_last, ms_per_step=round(ms, 2),
                          min_ms=round(min(times) * 1e3, 2), images_per_s=round(a.batch / ms * 1e3, 1),
                          peak_rss_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)))


if __name__ == "__main__":
    main()
