"""One-operator programs: the proof that each line of a capability map is what the toolchain does."""

import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from edgewright.errors import ConfigError, EdgewrightError, first_line, nearest
from edgewright.targets.one_operator import IMAGE as _IMAGE
from edgewright.targets.one_operator import Example, one_operator
from edgewright.targets.schema import Kernel, Operator, Target
from edgewright.targets.toolchain import adapter as adapter_of

_ROWS, _HEADS = (1, 16, 32), (1, 2, 16, 32)
_CHANNEL = torch.full((8,), 0.5)
_FLOAT = "float"

EXAMPLES: Mapping[str, Example] = {
    "abs": Example(torch.abs),
    "adaptive_avg_pool2d": Example(lambda x: F.adaptive_avg_pool2d(x, 1)),
    "add": Example(torch.add, (_IMAGE, _IMAGE)),
    "amax": Example(lambda x: x.amax(2, keepdim=True)),
    "amin": Example(lambda x: x.amin(2, keepdim=True)),
    "avg_pool2d": Example(lambda x: F.avg_pool2d(x, 2)),
    "batch_norm": Example(lambda x: F.batch_norm(x, _CHANNEL, _CHANNEL, _CHANNEL, _CHANNEL)),
    "bmm": Example(torch.bmm, ((2, 16, 32), (2, 32, 16))),
    "cat": Example(lambda a, b: torch.cat([a, b], 1), (_IMAGE, _IMAGE)),
    "ceil": Example(torch.ceil),
    "clamp": Example(lambda x: torch.clamp(x, 0.0, 2.0)),
    "constant_pad_nd": Example(lambda x: torch.ops.aten.constant_pad_nd.default(x, [0, 1, 0, 1])),
    "conv1d": Example(lambda x, w, b: F.conv1d(x, w, b, padding=1), ((1, 8, 16),), (16, 8, 3)),
    "conv2d": Example(lambda x, w, b: F.conv2d(x, w, b, padding=1), (_IMAGE,), (16, 8, 3, 3)),
    "conv_transpose2d": Example(
        lambda x, w, b: F.conv_transpose2d(x, w, b, stride=2), (_IMAGE,), (8, 16, 2, 2), axis=1
    ),
    "cos": Example(torch.cos),
    "div": Example(torch.div, (_IMAGE, _IMAGE), low=1.0),
    "elu": Example(F.elu),
    "erf": Example(torch.erf),
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
    "pixel_shuffle": Example(lambda x: F.pixel_shuffle(x, 2)),
    "pow": Example(lambda x: torch.pow(x, 2), low=1.0),
    "reciprocal": Example(torch.reciprocal, low=1.0),
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
    "stack": Example(lambda a, b: torch.stack([a, b], 1), (_IMAGE, _IMAGE)),
    "sub": Example(lambda a, b: a - b, (_IMAGE, _IMAGE)),
    "sum": Example(lambda x: x.sum((2, 3), keepdim=True)),
    "tanh": Example(torch.tanh),
    "transpose": Example(lambda x: x.transpose(1, 2)),
    "unsqueeze": Example(lambda x: x.unsqueeze(-1)),
    "upsample_bilinear2d": Example(lambda x: F.interpolate(x, scale_factor=2.0, mode="bilinear")),
    "upsample_nearest2d": Example(lambda x: F.interpolate(x, scale_factor=2.0)),
    "view": Example(lambda x: torch.ops.aten.view.default(x, [1, 64, 8])),
}


@dataclass(frozen=True, slots=True)
class Probe:
    """What the toolchain did with a one-operator program.

    Attributes:
        operator: ATen base name.
        form: name of the kernel, or `float`; `w8a8+relu` with what is fused into it.
        left: what was not delegated (quantize and dequantize at the border aside), with the reason.
        steps: largest difference between artifact and program, in quantization steps of the output
            (of the program's largest output, in float32 ulps of 2^-23, where it computes in float).
        most: how many of them the map allows.
        is_float: the operator computes in float, be it on rounded weights.
    """

    operator: str
    form: str
    left: tuple[str, ...]
    steps: float
    most: float
    is_float: bool = False

    @property
    def holds(self) -> bool:
        """Whether the line is true: nothing is left, and the artifact is as near to the program as it says."""
        return not self.left and self.steps <= self.most

    def __str__(self) -> str:
        unit = "ulps" if self.is_float else "steps"
        verdict = "; ".join(self.left) or f"delegated, {self.steps:.2f} {unit} from the program"
        return f"{self.operator:28} {self.form:20} {'' if self.holds else 'FAILS: '}{verdict}"


def forms(operator: Operator) -> list[Kernel | None]:
    """The forms that a line of the map claims: each quantized one, and None for float."""
    return [*operator.quantized, *([None] if operator.runs_float else [])]


def claims(operator: Operator) -> list[tuple[Kernel | None, str]]:
    """What a line of the map claims: its forms alone, then each operator of `fuses` in the first form of a width."""
    first: dict[int, Kernel] = {}
    for kernel in operator.quantized:
        if kernel.activations is not None and kernel.activations.mode == "static":
            first.setdefault(kernel.activations.bits, kernel)
    fused = [(kernel, other) for kernel in first.values() for other in operator.fuses]
    return [*((form, "") for form in forms(operator)), *fused]


def probe(target: Target, op: str, kernel: Kernel | None, folder: Path, fused: str = "") -> Probe:
    """Compile a program of the operator `op` alone, with `fused` behind it, and run it against the program.

    Raises:
        ConfigError: no example of this operator is known here.
    """
    if op not in EXAMPLES:
        raise ConfigError(f"target {target.name}: operators.{op} has no example in edgewright/targets/probe.py")
    entry = target.operators[op]
    follower = EXAMPLES[fused] if fused else None
    program, inputs, step = one_operator(EXAMPLES[op], kernel, entry.output == "shared", follower)
    adapter = adapter_of(target)
    manifest = adapter.compile(program, target, folder, batch_inputs=inputs)
    output = adapter.session(folder, target, 1)(inputs)
    expected = program.module(check_guards=False)(*(torch.from_numpy(item) for item in inputs)).numpy()
    unit = step if step is not None else float(np.abs(expected).max()) * 2.0**-23
    border = ("quantize_per_tensor", "dequantize_per_tensor") if kernel is not None else ()
    # The neighbour that computes, on a device that has no kernel for it.
    border = border if target.supports("relu") else (*border, "relu")
    left = tuple(
        f"{item.operator}: {item.reason}" for item in manifest.not_delegated if item.operator not in border
    )
    # The values are float32: at 16 bits a step is known to a few thousandths.
    steps = round(float(np.abs(output - expected).max()) / unit, 2)
    return Probe(op, _form(kernel, fused), left, steps, _most(entry, kernel), is_float=step is None)


def prove(target: Target, operators: Sequence[str] = ()) -> Iterator[Probe]:
    """Probe every claim of the lines of `operators`, or of the whole map, in order of name.

    Raises:
        ConfigError: the map has no such operator (the nearest is named), or no example of it is known.
    """
    for op in operators:
        if op not in target.operators:
            raise ConfigError(f"target {target.name} has no operator '{op}'{nearest(op, target.operators)}")
    for op in operators or sorted(target.operators):
        for kernel, fused in claims(target.operators[op]):
            with tempfile.TemporaryDirectory() as folder:
                try:
                    yield probe(target, op, kernel, Path(folder), fused)
                except EdgewrightError:
                    raise
                except Exception as error:
                    # A toolchain may raise anything on what it cannot do: then the line is false.
                    reason = f"{type(error).__name__}: {first_line(error)}"
                    yield Probe(op, _form(kernel, fused), (reason,), math.nan, _most(target.operators[op], kernel))


def _most(operator: Operator, kernel: Kernel | None) -> float:
    return operator.ulps if kernel is None or kernel.activations is None else kernel.steps


def _form(kernel: Kernel | None, fused: str) -> str:
    name = kernel.name if kernel else _FLOAT
    return f"{name}+{fused}" if fused else name
