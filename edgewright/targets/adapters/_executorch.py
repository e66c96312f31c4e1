"""Lowering through ExecuTorch, shared by the toolchains whose artifact is a `.pte`."""

import contextlib
import io
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch.export import ExportedProgram
from torch.fx import Node

from edgewright import ir
from edgewright.targets.adapters._program import name_of
from edgewright.targets.manifest import NotDelegated

PACKAGES = ("executorch", "torch", "torchao")
_BORDER = ("quantize_per_tensor", "dequantize_per_tensor")


@dataclass
class Reasons:
    """Why a partitioner refused nodes: the first reason per node name."""

    by_node: dict[str, str] = field(default_factory=dict)

    def add(self, node: Node, reason: str) -> None:
        """Keep the first reason for a node."""
        self.by_node.setdefault(node.name, " ".join(reason.split()))


@dataclass(frozen=True)
class Lowered:
    """A program after partitioning: the edge manager of ExecuTorch, and what went where.

    `order` holds operator and scope of each delegated node, in the order in which the delegates run them;
    `delegates` the names of their lowered modules.
    """

    edge: Any
    order: tuple[tuple[str, str], ...]
    delegates: tuple[str, ...]
    not_delegated: tuple[NotDelegated, ...]


def lower(program: ExportedProgram, partitioner: Any, reasons: Mapping[str, str]) -> Lowered:
    """Lower a specialized Program to ExecuTorch's edge dialect with one partitioner.

    `reasons` may fill while lowering; it is read afterwards.
    """
    import executorch.kernels.quantized  # noqa: F401  (registers the out variants of quantize and dequantize)
    from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower

    edge = to_edge_transform_and_lower(
        program, partitioner=[partitioner], compile_config=EdgeCompileConfig(_check_ir_validity=False)
    )
    module = edge.exported_program().graph_module
    left: list[NotDelegated] = []
    order: list[tuple[str, str]] = []
    delegates: list[str] = []
    for node in module.graph.nodes:
        if node.op == "get_attr" and node.name.startswith("lowered_module_"):
            delegates.append(node.target)
            inner = getattr(module, node.target).original_module.graph.nodes
            order += [(name_of(item), ir.scope(item)) for item in inner if name_of(item)]
        elif name_of(node):
            left.append(NotDelegated(name_of(node), ir.scope(node), _reason(node, reasons)))
    return Lowered(edge, tuple(order), tuple(delegates), tuple(left))


def _reason(node: Node, reasons: Mapping[str, str]) -> str:
    if node.name in reasons:
        return reasons[node.name]
    if name_of(node) in _BORDER:
        return "quantization at the border of a delegate runs on the host"
    return "the partitioner has no entry for it"


def buffers(edge: Any) -> tuple[bytes, int]:
    """Bytes of the `.pte`, and the planned activation memory of its `forward` in bytes."""
    program = edge.to_executorch()
    plan = program.executorch_program.execution_plan[0]
    return bytes(program.buffer), int(sum(plan.non_const_buffer_sizes))


@contextlib.contextmanager
def quiet(level: int = logging.ERROR) -> Iterator[io.StringIO]:
    """Capture what toolchains print to standard output, and mute their loggers below `level`."""
    loggers = [logging.getLogger(name) for name in ("executorch", "torch.onnx", "onnxscript", "torchao")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(level)
    try:
        with contextlib.redirect_stdout(io.StringIO()) as text:
            yield text
    finally:
        for logger, old in zip(loggers, before, strict=True):
            logger.setLevel(old)
