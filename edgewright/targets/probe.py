"""One-operator programs: the proof that each line of a capability map is what the toolchain does."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from edgewright.errors import ConfigError
from edgewright.targets.one_operator import IMAGE as _IMAGE
from edgewright.targets.one_operator import Example, one_operator
from edgewright.targets.schema import Kernel, Operator, Target
from edgewright.targets.toolchain import adapter as adapter_of

_ROWS, _HEADS = (1, 16, 32), (1, 2, 16, 32)
_CHANNEL = torch.full((8,), 0.5)
_FLOAT = "float"
# Runtimes approximate exponentials differently: attention is 9 ulps apart on OpenVINO.
_MOST_STEPS, _MOST_ULPS = 2.0, 16.0

EXAMPLES: Mapping[str, Example] = {
    "abs": Example(torch.abs),
    "adaptive_avg_pool2d": Example(lambda x: F.adaptive_avg_pool2d(x, 1)),
    "add": Example(torch.add, (_IMAGE, _IMAGE)),
    "avg_pool2d": Example(lambda x: F.avg_pool2d(x, 2)),
    "batch_norm": Example(lambda x: F.batch_norm(x, _CHANNEL, _CHANNEL, _CHANNEL, _CHANNEL)),
    "bmm": Example(torch.bmm, ((2, 16, 32), (2, 32, 16))),
    "cat": Example(lambda a, b: torch.cat([a, b], 1), (_IMAGE, _IMAGE)),
    "ceil": Example(torch.ceil),
    "clamp": Example(lambda x: torch.clamp(x, 0.0, 2.0)),
    "constant_pad_nd": Example(lambda x: torch.ops.aten.constant_pad_nd.default(x, [0, 1, 0, 1])),
    "conv1d": Example(lambda x, w, b: F.conv1d(x, w, b, padding=1), ((1, 8, 16),), (16, 8, 3)),
    "conv2d": Example(lambda x, w, b: F.conv2d(x, w, b, padding=1), (_IMAGE,), (16, 8, 3, 3)),
    "cos": Example(torch.cos),
    "div": Example(torch.div, (_IMAGE, _IMAGE), low=1.0),
    "elu": Example(F.elu),
    "exp": Example(torch.exp),
    "expand": Example(lambda x: x.expand(1, 8, 8, 8), ((1, 1, 8, 8),)),
    "flatten": Example(lambda x: torch.flatten(x, 1)),
    "floor": Example(torch.floor),
    "gelu": Example(F.gelu),
    "hardsigmoid": Example(F.hardsigmoid),
    "hardswish": Example(F.hardswish),
    "hardtanh": Example(lambda x: F.hardtanh(x, 0.0, 2.0)),
    "layer_norm": Example(lambda x: F.layer_norm(x, (32,), torch.ones(32), torch.zeros(32)), (_ROWS,)),
    "leaky_relu": Example(lambda x: F.leaky_relu(x, 0.1)),
    "linear": Example(F.linear, (_ROWS,), (16, 32)),
    "log": Example(torch.log, low=1.0),
    "matmul": Example(torch.matmul, (_HEADS, (1, 2, 32, 16))),
    "max_pool2d": Example(lambda x: F.max_pool2d(x, 2)),
    "maximum": Example(torch.maximum, (_IMAGE, _IMAGE)),
    "mean": Example(lambda x: x.mean((2, 3), keepdim=True)),
    "minimum": Example(torch.minimum, (_IMAGE, _IMAGE)),
    "mul": Example(torch.mul, (_IMAGE, _IMAGE)),
    "neg": Example(torch.neg),
    "pad": Example(lambda x: F.pad(x, (0, 1, 0, 1))),
    "permute": Example(lambda x: x.permute(0, 2, 3, 1)),
    "pow": Example(lambda x: torch.pow(x, 2), low=1.0),
    "relu": Example(F.relu),
    "relu6": Example(torch.ops.aten.relu6.default),
    "repeat": Example(lambda x: x.repeat(1, 2, 1, 1)),
    "reshape": Example(lambda x: torch.ops.aten.reshape.default(x, [1, 64, 8])),
    "rsqrt": Example(torch.rsqrt, low=1.0),
    "scaled_dot_product_attention": Example(F.scaled_dot_product_attention, (_HEADS, _HEADS, _HEADS)),
    "select": Example(lambda x: x.select(1, 0)),
    "sigmoid": Example(torch.sigmoid),
    "silu": Example(F.silu),
    "sin": Example(torch.sin),
    "slice": Example(lambda x: x[:, :, ::1, 0:4]),
    "softmax": Example(lambda x: F.softmax(x, -1), (_ROWS,)),
    "sqrt": Example(torch.sqrt, low=1.0),
    "squeeze": Example(lambda x: x.squeeze(1), ((1, 1, 8, 8),)),
    "sub": Example(lambda a, b: a - b, (_IMAGE, _IMAGE)),
    "tanh": Example(torch.tanh),
    "transpose": Example(lambda x: x.transpose(1, 2)),
    "unsqueeze": Example(lambda x: x.unsqueeze(-1)),
    "view": Example(lambda x: torch.ops.aten.view.default(x, [1, 64, 8])),
}


@dataclass(frozen=True, slots=True)
class Probe:
    """What the toolchain did with a one-operator program.

    `left` names what it did not delegate (quantize and dequantize at the border aside), with the reason;
    `steps` is the largest difference between artifact and program, in quantization steps of the output
    (of the program's largest output, in float32 ulps of 2^-23, where it computes in float: `is_float`).
    """

    operator: str
    kernel: str
    left: tuple[str, ...]
    steps: float
    is_float: bool = False

    @property
    def holds(self) -> bool:
        """Whether the line is true: nothing is left, and the artifact is within 2 steps, or 16 ulps in float."""
        return not self.left and self.steps <= (_MOST_ULPS if self.is_float else _MOST_STEPS)


def forms(operator: Operator) -> list[Kernel | None]:
    """The forms that a line of the map claims: each quantized one, and None for float."""
    return [*operator.quantized, *([None] if operator.runs_float else [])]


def probe(target: Target, op: str, kernel: Kernel | None, folder: Path) -> Probe:
    """Compile a program of the operator `op` alone, and run it against the program.

    Raises:
        ConfigError: no example of this operator is known here.
    """
    if op not in EXAMPLES:
        raise ConfigError(f"target {target.name}: operators.{op} has no example in edgewright/targets/probe.py")
    entry = target.operators[op]
    example = EXAMPLES[op]
    program, inputs, step = one_operator(example, kernel, shared=entry.output == "shared")
    adapter = adapter_of(target)
    manifest = adapter.compile(program, target, folder, batch_inputs=inputs)
    output = adapter.session(folder, target, 1)(inputs)
    expected = program.module(check_guards=False)(*(torch.from_numpy(item) for item in inputs)).numpy()
    unit = step if step is not None else float(np.abs(expected).max()) * 2.0**-23
    border = ("quantize_per_tensor", "dequantize_per_tensor") if kernel is not None else ()
    left = tuple(
        f"{item.operator}: {item.reason}" for item in manifest.not_delegated if item.operator not in border
    )
    difference = float(np.abs(output - expected).max()) / unit
    return Probe(op, kernel.name if kernel else _FLOAT, left, difference, is_float=step is None)
