"""The tables of the benchmark as markdown."""

import math
from collections.abc import Mapping
from typing import Any

from benchmarks.gq.cells import SCHEMES, Cell
from benchmarks.gq.models import CLASSIFIERS, FOLDERS, LANGUAGE

BUSY = 1.3
"""Load of the machine, this process aside, from which on seconds are marked."""
_HEAD = """# Graph quantization against other toolchains

Made by `python -m benchmarks.gq --table docs/gq-benchmark.md`; do not edit it. Every toolchain has the same float \
network, calibration inputs (500 CIFAR-10 images, 500 random spectrograms, 128 windows of 256 tokens) and test inputs \
(2,500 images, 500 spectrograms, 64 or 32 windows), and one function evaluates. MSE is the mean squared L2 distance of \
an image's or token's logits to those of the float network. Ours are the quantized Programs on the map of a target; \
w4a8 is a figure of the Program. Seconds are those of quantization, `busy` where the machine was not idle; peak is the \
resident memory of the whole process."""


def render(known: Mapping[Cell, Mapping[str, Any]], floats: Mapping[str, Mapping[str, float]]) -> str:
    """One table for each model and scheme, the least logit MSE first."""
    lines = [_HEAD]
    for model in FOLDERS:
        for scheme in SCHEMES:
            rows = {cell: row for cell, row in known.items() if (cell.model, cell.scheme) == (model, scheme)}
            if rows:
                lines += _table(model, scheme, rows, floats[model])
    return "\n".join(lines) + "\n"


def _table(
    model: str, scheme: str, rows: Mapping[Cell, Mapping[str, Any]], reference: Mapping[str, float]
) -> list[str]:
    head, values = ["MSE", "SNR dB"], "{mse:.3f} | {snr_db:.1f}"
    lines = ["", f"## {model}, {scheme}", ""]
    if model in CLASSIFIERS:
        lines += [f"Float: top-1 {reference['top1']:.2f} %.", ""]
        head = ["top-1", *head, "agree", "ECE"]
        values = "{top1:.2f} | " + values + " | {agree:.2f} | {ece:.2f}"
    if model in LANGUAGE:
        lines += [f"Float: perplexity {reference['perplexity']:.4f}.", ""]
        head = ["perplexity", *head, "agree", "ECE"]
        values = "{perplexity:.4f} | " + values + " | {agree:.2f} | {ece:.2f}"
    head += ["seconds", "cpu s", "peak MB"]
    lines += [f"| | {' | '.join(head)} |", "|---" * (len(head) + 1) + "|"]
    for cell, row in sorted(rows.items(), key=lambda item: item[1].get("mse", math.inf)):
        name = f"**{cell.toolchain}**" if cell.is_ours else cell.toolchain
        if "error" in row:
            lines.append(f"| {name} | failed: {row['error'][:120].replace('|', '/')} |" + " |" * (len(head) - 1))
            continue
        busy = " busy" if row["load"] > BUSY else ""
        cost = f"{row['seconds']:.1f}{busy} | {row['cpu_seconds']:.1f} | {row['peak_bytes'] / 1e6:.0f}"
        lines.append(f"| {name} | {values.format(**row)} | {cost} |")
    return lines
