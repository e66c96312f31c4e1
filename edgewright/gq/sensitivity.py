"""Where a quantized program drifts from its float form: both run side by side, compared module by module."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.fx import GraphModule, Interpreter, Node

from edgewright import ir
from edgewright.compare.sums import Sums
from edgewright.gq.collect import Row
from edgewright.gq.operators import is_float, is_operator


def observed(module: GraphModule, names: Mapping[Node, str]) -> dict[str, Node]:
    """The last float tensor that the operators of each module scope make: what the module gives out."""
    last: dict[str, Node] = {}
    for node in module.graph.nodes:
        if is_operator(node) and is_float(node) and node in names:
            # Taken out first, so that the modules stand in the order of what they give out.
            last.pop(ir.scope(node), None)
            last[ir.scope(node)] = node
    return last


def measure(
    module: GraphModule, quantized: GraphModule, outputs: Mapping[str, tuple[str, str, str]], rows: Iterable[Row]
) -> dict[str, Any]:
    """The value of `sensitivity.json`: drift of each module scope, worst first.

    SNR = 10 log10(sum x^2 / sum (x - q)^2) in dB, null where nothing differs; MSE is the mean of (x - q)^2; cosine is
    sum x q / (|x| |q|), 1 where both are zero; index is the module's place in the program. x is the float, q the
    quantized value of the module's last tensor. The drift is that of the whole program up to there, not of the
    module alone.

    Args:
        module: the unlifted Program, float.
        quantized: the same after quantization.
        outputs: for each scope the names of the node in `module`, and of the one in `quantized`, and the operator.
        rows: inputs, in the same batches as in calibration.
    """
    sums = {scope: Sums() for scope in outputs}
    first = {names[0] for names in outputs.values()}
    second = {names[1] for names in outputs.values()}
    floats, integers = _Recording(module, first), _Recording(quantized, second)
    for row in rows:
        floats.run(*row)
        integers.run(*row)
        for scope, (reference, other, _) in outputs.items():
            sums[scope].add(floats.values[reference], integers.values[other])
    modules = [_row(scope, outputs[scope][2], index, item) for index, (scope, item) in enumerate(sums.items())]
    # What differs most comes first; what does not differ comes last, in the order of the program.
    modules.sort(key=lambda item: math.inf if item["snr_db"] is None else item["snr_db"])
    return {"schema": 1, "modules": modules}


def _row(scope: str, operator: str, index: int, sums: Sums) -> dict[str, Any]:
    found = sums.figures()
    return {
        "scope": scope,
        "operator": operator,
        "index": index,
        "snr_db": found.snr_db,
        "mse": found.mse,
        "cosine": found.cosine,
    }


class _Recording(Interpreter):
    """Runs the graph and keeps the values of the named nodes of the last run."""

    def __init__(self, module: GraphModule, kept: Iterable[str]) -> None:
        super().__init__(module)
        self.values: dict[str, NDArray[np.float32]] = {}
        self._kept = frozenset(kept)

    def run_node(self, n: Node) -> Any:
        value = super().run_node(n)
        if n.name in self._kept:
            self.values[n.name] = value.detach().to(torch.float32).numpy()
        return value
