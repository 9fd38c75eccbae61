"""Joins what scripts/gpu_measure.sh measured to one JSON file, and prints the table of training steps."""
import json
import sys
from pathlib import Path

parts, out = Path(sys.argv[1]), Path(sys.argv[2])


def lines(name):
    """The objects of a part; none where it was not measured, and no line that is no object."""
    path = parts / name
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


found = {
    "date": (parts / "date").read_text().strip(),
    "check": lines("check.jsonl"),
    "bench": {"untuned": lines("bench_before.jsonl"), "tuned": lines("bench_after.jsonl")},
    "tune": lines("tune.jsonl"),
    "pytorch": {"before": lines("peer_before.jsonl"), "after": lines("peer_after.jsonl")},
}
out.write_text(json.dumps(found, indent=1) + "\n")


def steps(objects):
    """Milliseconds a step by size, of the gpu alone."""
    trainings = [line for line in objects if line.get("event") == "training" and line["device"] == "gpu"]
    return {line["size"]: line["ms_per_step"] for line in trainings}


def peers(when):
    """Milliseconds a step by size and kind."""
    kind = lambda line: "TF32 channels-last" if line["tf32"] else "fp32 channels-last" if line["channels_last"] else "fp32"
    return {(line["size"], kind(line)): line["ms_per_step"] for line in found["pytorch"][when]}


before, after, torch_before, torch_after = (
    steps(found["bench"]["untuned"]), steps(found["bench"]["tuned"]), peers("before"), peers("after"))
print(f"{found['date']}, ms a training step, median, losses read every step")
print("| size | | before | after | graft tuned beside it |\n| --- | --- | --- | --- | --- |")
for size in sorted(before | after):
    print(f"| {size} | graft, before and after tuning | {before.get(size, 0):.2f} | {after.get(size, 0):.2f} | |")
    for (of, kind), ms in torch_before.items():
        if of == size:
            last = torch_after.get((of, kind), ms)
            print(f"| {size} | PyTorch {kind} | {ms:.2f} | {last:.2f} | {after.get(size, 0) / min(ms, last):.2f} |")
checks = [line for line in found["check"] if line.get("event") == "check"]
for check in checks:
    print(f"check: {sum(family['rows'] for family in check['families'])} rows, {len(check['failures'])} failures")
if not checks:
    print("check: did not end")
