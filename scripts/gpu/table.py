"""The table of what a training step asks of a card and what RADV's compiler makes of the kernels, from the driver's reports; and whether it
keeps the limits of limits.toml. scripts/gpu_offline.sh runs it."""

import argparse
import hashlib
import sys
import tomllib
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import assembly
import layers
import shaders

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "kernels.md"
BEGIN, END = "<!-- scripts/gpu_offline.sh --write: from here -->", "<!-- to here -->"
RECIPES = {"recipe": "recipe", "default": "defaults"}
FEATURES, CHANNELS = 64, 3
# A thread that makes a tile of sums has at least so many multiply-adds a step; what merely stages something to add it up has fewer.
LEAST_MULTIPLY_ADDS = 64


@dataclass(frozen=True)
class Kernel:
    """What the compiler made of a shader, and which storages that reads and writes."""

    reads: tuple[int, ...]
    writes: tuple[int, ...]
    registers: int
    waves: int
    spills: int
    workgroup_memory: int
    in_a_loop: bool
    # Instructions and multiply-adds of a step along the depth.
    step: tuple[int, int] | None

    @property
    def is_tiled(self):
        """Whether it multiplies tiles, a step of whose depth can be counted."""
        return self.step is not None and self.step[1] >= LEAST_MULTIPLY_ADDS

    @property
    def may_be_a_product(self):
        """Whether it makes something of two operands or more, by tiles or by multiply-adds in a loop."""
        return len(self.reads) >= 2 and (self.is_tiled and self.writes or self.in_a_loop and len(self.writes) == 1)

    @property
    def storages(self):
        """The bindings of a product's operands and of what it makes."""
        return [*self.reads[:2], self.writes[0]]

    @property
    def share(self):
        """Multiply-adds among the instructions of a step along the depth, in percent."""
        instructions, multiply_adds = self.step
        return 100 * multiply_adds / instructions


class Run:
    """The driver's report of one training run."""

    def __init__(self, folder):
        self.folder = folder
        self.card, self.mesa = (folder / "card").read_text().splitlines()
        counts = (line.split() for line in (folder / "counts").read_text().splitlines())
        self.counts = {name: float(count) for name, count in counts}
        # Pipelines by their shaders, which are the same in each run, while numbers are not.
        self.shaders = {}
        for path in sorted(folder.glob("*.spv")):
            self.shaders[int(path.stem)] = hashlib.sha256(path.read_bytes()).hexdigest()
        self.runs = Counter()
        for line in (folder / "runs").read_text().splitlines():
            number, count, groups, *operands = map(int, line.split())
            self.runs[self.shaders[number], groups, tuple(operands)] += count

    def kernels(self):
        """Each shader's code."""
        return {shader: kernel(self.folder / f"{number:04}") for number, shader in self.shaders.items()}


def kernel(path):
    """The compiler's statistics and the code of a pipeline."""
    statistics = dict(line.split("\t") for line in path.with_suffix(".statistics").read_text().splitlines())
    count = {name: int(value) for name, value in statistics.items()}
    code = path.with_suffix(".assembly").read_text()
    if not code:
        sys.exit("the driver gives no disassembly: a Mesa with LLVM is needed")
    reads, writes = shaders.reads_and_writes(path.with_suffix(".spv").read_bytes())
    return Kernel(
        reads=tuple(reads),
        writes=tuple(writes),
        registers=count["VGPRs"],
        waves=count["Subgroups per SIMD"],
        spills=count["Spilled SGPRs"] + count["Spilled VGPRs"] + count["Scratch size"],
        workgroup_memory=count["LDS size"],
        in_a_loop=assembly.multiplies_in_a_loop(code),
        step=assembly.depth_step(code),
    )


class Training:
    """One configuration, run twice with different numbers of steps: what a step does is their difference."""

    def __init__(self, reports, recipe, size, batch, short, long):
        self.recipe, self.size, self.batch = recipe, size, batch
        few, many = (Run(reports / f"{recipe}-{size}-{steps}") for steps in (short, long))
        steps = long - short
        self.card, self.mesa = many.card, many.mesa
        self.step = {name: (many.counts[name] - few.counts[name]) / steps for name in many.counts}
        self.step["host_milliseconds"] = 1000 * self.step["host_seconds"]
        self.runs = {key: (count - few.runs[key]) / steps for key, count in many.runs.items() if count != few.runs[key]}
        self.kernels = many.kernels()

    @property
    def title(self):
        return f"{RECIPES[self.recipe]}, size {self.size}, batch {self.batch}"

    def products(self):
        """What each product ran as, by the layer and the kernel: a number of workgroups, and how often a step. Kernels of which the compiler
        made the same, as of those with different activations, are one."""
        sizes = [
            size for times in layers.BATCHES for size in layers.products(self.size, FEATURES, CHANNELS, times * self.batch)
        ]
        order = {product: place for place, (_, product) in enumerate(sizes)}
        found = defaultdict(Counter)
        for (shader, groups, operands), times in self.runs.items():
            kernel = self.kernels[shader]
            if not kernel.may_be_a_product:
                continue
            if product := layers.product_of([operands[binding] for binding in kernel.storages], sizes):
                found[product, kernel][groups] += times
        return dict(sorted(found.items(), key=lambda item: (item[0][0].kernel, order[item[0][0]])))


def number(value):
    """A count a step, to its tenth, where it has one."""
    return f"{value:.1f}".removesuffix(".0")


def limit_of(product, limits):
    """The least share of multiply-adds of a product, in percent, or None."""
    if product.vector:
        return None
    return limits.get("share_image" if product.image else "share", {}).get(product.kernel)


def counts_table(trainings, limits):
    """A row a count; the limits stand behind the recipe's."""
    rows = [
        ("dispatches", "dispatches"),
        ("copies", "copies"),
        ("fills", "fills"),
        ("barriers", "barriers"),
        ("bind groups made", "bind_groups_made"),
        ("bind groups bound", "bind_groups_bound"),
        ("descriptors written", "descriptor_writes"),
        ("command buffers begun", "command_buffers"),
        ("submissions", "submissions"),
        ("host, ms", "host_milliseconds"),
    ]
    yield "| a step | " + " | ".join(training.title for training in trainings) + " |"
    yield "| --- |" + " --- |" * len(trainings)
    for title, name in rows:
        cells = []
        for training in trainings:
            value = training.step[name]
            cell = f"{value:.2f}" if name == "host_milliseconds" else number(value)
            most = limit_of_step(training, name, limits)
            cells.append(cell if most is None else f"{cell} (at most {most})")
        yield f"| {title} | " + " | ".join(cells) + " |"


def limit_of_step(training, name, limits):
    """The most of a count, of the recipe's."""
    if training.recipe != "recipe" or name not in limits["step"]:
        return None
    return limits["step"][name][0 if training.size == 32 else 1]


def runs_text(runs):
    """How often a step it ran, and with how many workgroups."""
    return ", ".join(f"{number(times)} x {groups}" for groups, times in sorted(runs.items()))


def products_table(trainings, limits):
    """A row a layer, role and kernel, of the recipe."""
    yield "| kernel | layer | runs a step x workgroups | registers | waves | spills | workgroup memory | multiply-adds |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for training in trainings:
        if training.recipe != "recipe":
            continue
        for (product, kernel), runs in training.products().items():
            least = limit_of(product, limits)
            cell = "no tiles"
            if kernel.is_tiled:
                cell = f"{kernel.share:.0f} %" + (f" (at least {least})" if least else "")
            yield (
                f"| {product.kernel} | {product.layer} | {runs_text(runs)} | {kernel.registers} | {kernel.waves} "
                f"| {kernel.spills} | {kernel.workgroup_memory} | {cell} |"
            )


def rest(trainings):
    """A line on what is no product."""
    kernels = {}
    for training in trainings:
        products = {kernel for _, kernel in training.products()}
        steps = {shader: training.kernels[shader] for shader, _, _ in training.runs}
        kernels |= {shader: kernel for shader, kernel in steps.items() if kernel not in products}
    registers = max(kernel.registers for kernel in kernels.values())
    memory = max(kernel.workgroup_memory for kernel in kernels.values())
    scratch = sum(kernel.spills for kernel in kernels.values())
    return (
        f"The {len(kernels)} other pipelines of a step take at most {registers} registers and {memory} bytes of workgroup memory, "
        f"with {scratch} spills."
    )


def spills(trainings):
    """What is said of kernels that spill."""
    for training in trainings:
        for shader, kernel in training.kernels.items():
            if kernel.spills:
                yield f"{training.title}: shader {shader[:8]} spills {kernel.spills}"


def unknown(trainings):
    """What is said of tiles that are no layer's: nobody would see their shares."""
    for training in trainings:
        known = {kernel for _, kernel in training.products()}
        for shader, groups, operands in training.runs:
            if training.kernels[shader].is_tiled and training.kernels[shader] not in known:
                yield f"{training.title}: shader {shader[:8]} with {groups} workgroups on {operands} is no layer that layers.py knows"


def misses(trainings, limits):
    """What is said of limits that are not kept."""
    for training in trainings:
        for name, value in training.step.items():
            most = limit_of_step(training, name, limits)
            if most is not None and value > most:
                yield f"{training.title}: {value:.2f} {name.replace('_', ' ')} a step, more than {most}"
        if training.recipe != "recipe":
            continue
        for product, kernel in training.products():
            least = limit_of(product, limits)
            if least is None:
                continue
            if not kernel.is_tiled:
                yield f"{training.title}: {product.kernel}, {product.layer}: no tiles, or steps that cannot be counted"
            elif kernel.share < least:
                yield f"{training.title}: {product.kernel}, {product.layer}: {kernel.share:.1f} % multiply-adds, less than {least}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reports", type=Path)
    parser.add_argument("steps", type=int, nargs=2, help="of the short runs and the long ones")
    parser.add_argument("--family", required=True)
    parser.add_argument("--report", action="store_true", help="fail on spills alone")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    arguments = parser.parse_args()
    limits = tomllib.loads((HERE / "limits.toml").read_text())
    trainings = [
        Training(arguments.reports, recipe, size, batch, *arguments.steps)
        for recipe in RECIPES
        for size, batch in ((32, 64), (64, 128))
    ]
    mesa = trainings[0].mesa
    # What stands behind a version, as Debian's "-1", changes no code; 22.3.60 would be another version.
    pinned = limits["mesa"], limits["family"]
    judges_shares = (mesa.split("-")[0], arguments.family) == pinned
    if not judges_shares:
        limits = {name: table for name, table in limits.items() if not name.startswith("share")}
    text = "\n".join(
        [
            f"{mesa}, {arguments.family}, {FEATURES} features:",
            "",
            *counts_table(trainings, limits),
            "",
            *products_table(trainings, limits),
            "",
            rest(trainings),
        ]
    )
    print(text)
    if arguments.write:
        if not judges_shares:
            sys.exit(f"{PAGE.name} keeps what {pinned[0]} makes for {pinned[1]}")
        before, found, behind = PAGE.read_text().partition(BEGIN)
        _, ended, after = behind.partition(END)
        if not found or not ended:
            sys.exit(f"{PAGE} has no {BEGIN} .. {END}")
        PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")

    failures = list(spills(trainings))
    missed = [*misses(trainings, limits), *unknown(trainings)]
    print()
    if not judges_shares:
        print(f"multiply-adds are judged on {pinned[0]} for {pinned[1]} alone")
    for line in missed:
        print(f"missed: {line}")
    for line in failures:
        print(f"FAILED: {line}")
    if not missed and not failures:
        print("all limits are kept")
    sys.exit(bool(failures or (missed and not arguments.report)))


main()
