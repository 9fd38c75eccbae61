"""What a kernel's code on a card of RDNA is made of: its loops, and the share of multiply-adds in a step along the depth of a product."""

import math
import re
from dataclasses import dataclass, field

MULTIPLY_ADD = re.compile(r"v_(dual_)?(fmac|fma|fmaak|fmamk|mac|mad)_f32")
# Where a tile is put into workgroup memory.
STAGING = re.compile(r"ds_(write|store)")
# Where a loop may end: a counter and a constant, in either order, behind a register for the result.
COMPARISON = re.compile(r"[sv]_cmpx?k?_\w+ (?:(?:vcc|vcc_lo|exec|exec_lo|s\d+|s\[\d+:\d+\]), )?(\w+), (\w+)$")
# What makes a counter larger: a register, and a constant and itself, in either order; or the constant alone.
ADDITION = re.compile(r"[sv]_add(?:k|_nc|_co)?_[iu]32(?:_e32|_e64)? (\w+), (?:vcc, |vcc_lo, )?(\w+)(?:, (\w+))?$")
BRANCH = re.compile(r"s_c?branch\S* (\w+)")


@dataclass
class Loop:
    """Instructions `first` to `last`, and the loops directly within."""

    first: int
    last: int
    within: list["Loop"] = field(default_factory=list)


def instructions_and_labels(text):
    """The instructions of a disassembly, two of them where a card issues two at once, and the place of each label."""
    instructions, labels = [], {}
    for line in text.splitlines():
        if label := re.match(r"(BB\d+):", line):
            labels[label[1]] = len(instructions)
        elif line.startswith("\t"):
            instruction = line.split(";")[0].strip()
            instructions += [half.strip() for half in instruction.split("::")]
    return instructions, labels


def loops(instructions, labels):
    """The outermost loops: what lies between a label and the last branch back to it."""
    ends = {}
    for place, instruction in enumerate(instructions):
        branch = BRANCH.match(instruction)
        if branch and labels.get(branch[1], place + 1) <= place:
            ends[labels[branch[1]]] = place
    outermost, open_loops = [], []
    for first, last in sorted(ends.items()):
        loop = Loop(first, last)
        while open_loops and open_loops[-1].last < first:
            open_loops.pop()
        if open_loops:
            # A loop that a branch leaves late reaches beyond: it is within all the same.
            open_loops[-1].last = max(open_loops[-1].last, last)
        (open_loops[-1].within if open_loops else outermost).append(loop)
        open_loops.append(loop)
    return outermost


def number(word):
    """A constant's value, or None for a register or nothing."""
    try:
        return int(word or "", 0)
    except ValueError:
        return None


def rounds(instructions, loop):
    """How often a loop that counts from 0 to a constant goes round; None where it is no such loop."""
    own = instructions[loop.first : loop.last + 1]
    steps = {}
    for instruction in own:
        if addition := ADDITION.match(instruction):
            to, term, other = addition.groups()
            if to in (term, other) or other is None:
                steps[to] = next((value for value in map(number, (term, other)) if value), 0)
    for instruction in own:
        if comparison := COMPARISON.match(instruction):
            for counter, bound in (comparison.groups(), comparison.groups()[::-1]):
                if steps.get(counter, 0) > 0 and (number(bound) or 0) > 0:
                    return math.ceil(number(bound) / steps[counter])
    return None


def weighed(instructions, loop):
    """Instructions and multiply-adds of one round of a loop, all of its branches taken. Loops within that cannot be counted go round once;
    None where such a one multiplies."""
    all_of_it = range(loop.first, loop.last + 1)
    weights = dict.fromkeys(all_of_it, 1)

    def weigh(outer):
        for inner in outer.within:
            times = rounds(instructions, inner)
            multiplies = any(MULTIPLY_ADD.match(instructions[place]) for place in range(inner.first, inner.last + 1))
            if times is None and multiplies:
                return False
            for place in range(inner.first, inner.last + 1):
                weights[place] *= times or 1
            if not weigh(inner):
                return False
        return True

    if not weigh(loop):
        return None
    multiply_adds = sum(weights[place] for place in all_of_it if MULTIPLY_ADD.match(instructions[place]))
    return sum(weights.values()), multiply_adds


def multiplies_in_a_loop(text):
    """Whether any loop of a kernel has multiply-adds."""
    instructions, labels = instructions_and_labels(text)
    spans = [instructions[loop.first : loop.last + 1] for loop in loops(instructions, labels)]
    return any(MULTIPLY_ADD.match(instruction) for span in spans for instruction in span)


def depth_step(text):
    """Instructions and multiply-adds of a step along the depth of a tiled product, by which it stages and uses a tile: the innermost loop
    that does both. The step may use the tile in a loop within, or be unrolled; where the whole depth is, it is the kernel. None for a kernel
    without tiles, or whose rounds cannot be counted."""
    instructions, labels = instructions_and_labels(text)

    def is_step(loop):
        span = instructions[loop.first : loop.last + 1]
        return any(map(STAGING.match, span)) and any(map(MULTIPLY_ADD.match, span))

    whole = Loop(0, len(instructions) - 1, loops(instructions, labels))
    if not is_step(whole):
        return None
    step = whole
    while inner := [loop for loop in step.within if is_step(loop)]:
        step = max(inner, key=lambda loop: loop.last - loop.first)
    return weighed(instructions, step)
