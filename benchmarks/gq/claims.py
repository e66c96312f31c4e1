"""Sentences with figures that the benchmark must make true."""

from collections.abc import Mapping
from typing import Any

from benchmarks.gq.cells import Cell
from benchmarks.gq.models import LANGUAGE

GOAL = {("resnet20", "w4a8"): 91.3, ("resnet8", "w4a8"): 85.5}
MSE = {"resnet20": 0.528, "resnet8": 0.641}
"""The least logit MSE at w8a8 that any peer reached here, measured once with its own preparation of the network."""
POINTS = 0.1


def claims(known: Mapping[Cell, Mapping[str, Any]], top1: Mapping[str, float]) -> list[tuple[str, bool]]:
    """Each sentence, and whether it holds.

    Args:
        known: what was measured.
        top1: of the float networks.
    """
    found = []
    done = {cell: row for cell, row in known.items() if "error" not in row}
    for cell, row in done.items():
        if not cell.is_ours:
            continue
        if cell.model in MSE and cell.scheme == "w8a8":
            drop = top1[cell.model] - row["top1"]
            found.append((f"{cell.label}: {drop:.2f} points below float, {POINTS} allowed", drop <= POINTS))
            least = MSE[cell.model]
            found.append((f"{cell.label}: MSE {row['mse']:.3f}, least known of a peer {least}", row["mse"] < least))
        if (cell.model, cell.scheme) in GOAL:
            goal = GOAL[cell.model, cell.scheme]
            found.append((f"{cell.label}: top-1 {row['top1']:.2f}, goal {goal}", row["top1"] >= goal))
        peers = {other: item for other, item in done.items()
                 if not other.is_ours and (other.model, other.scheme) == (cell.model, cell.scheme)}
        if peers:
            figures = ("mse", "perplexity") if cell.model in LANGUAGE else ("mse",)
            found += [_least(cell, row, peers, figure, "") for figure in figures]
            found.append(_least(cell, row, peers, "cpu_seconds", " cpu s"))
    return found


def _least(
    cell: Cell, row: Mapping[str, Any], peers: Mapping[Cell, Mapping[str, Any]], figure: str, unit: str
) -> tuple[str, bool]:
    best = min(peers, key=lambda other: float(peers[other][figure]))
    least, name = peers[best][figure], "" if unit else f" {figure}"
    return f"{cell.label}:{name} {row[figure]:.3f}{unit}, {best.toolchain} {least:.3f}", row[figure] <= least
