"""Export a module to a Program."""

import io
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from types import TracebackType

import torch
from torch import nn
from torch.export import Dim, ExportedProgram

from edgewright.errors import InputError, first_line
from edgewright.ir.canonical import canonicalize
from edgewright.ir.functionalize import functionalize
from edgewright.ir.inline_regions import inline_regions
from edgewright.ir.operators import register
from edgewright.ir.verify import verify


def export(module: nn.Module, inputs: Sequence[tuple[tuple[int, ...], torch.dtype]], batch: int = 1) -> ExportedProgram:
    """The Program of `module`: ATen operators with module scopes, batch dimension dynamic where the model allows.

    Args:
        module: in evaluation mode; its forward takes tensors by position and returns one tensor.
        inputs: shape without the batch dimension, and dtype, of each input.
        batch: the batch size where the model admits only one.

    Raises:
        InputError: the module does not export, or breaks an invariant; the submodule is named.
    """
    register()
    with _quiet():
        program = _dynamic_or_static(module, inputs, batch)
    program = functionalize(inline_regions(program))
    for node in program.graph.nodes:
        node.meta.pop("custom", None)
    canonicalize(program)
    verify(program)
    return program


@contextmanager
def _quiet() -> Iterator[None]:
    # A failed export logs and prints the whole graph; the error that is raised from it says what matters.
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)


def _dynamic_or_static(
    module: nn.Module, inputs: Sequence[tuple[tuple[int, ...], torch.dtype]], batch: int
) -> ExportedProgram:
    try:
        return _export(module, inputs, 2, ({0: Dim("batch", min=1)},) * len(inputs))
    except Exception:
        try:
            return _export(module, inputs, batch, None)
        except Exception as error:
            where = _failing_module(module, error.__traceback__)
            reason = f"{type(error).__name__}: {first_line(error)}"
            raise InputError(f"module '{where}' does not export: {reason}") from error


def _export(
    module: nn.Module,
    inputs: Sequence[tuple[tuple[int, ...], torch.dtype]],
    batch: int,
    dynamic: tuple[dict[int, Dim], ...] | None,
) -> ExportedProgram:
    example = tuple(torch.zeros((batch, *shape), dtype=dtype) for shape, dtype in inputs)
    # Without gradients, because toggling them inside a forward would leave a higher-order operator in the graph.
    with torch.no_grad():
        return torch.export.export(module, example, dynamic_shapes=dynamic)


def _failing_module(root: nn.Module, traceback: TracebackType | None) -> str:
    """Path of the innermost submodule whose frame the error passed through."""
    paths = {id(submodule): path for path, submodule in root.named_modules()}
    found = ""
    while traceback is not None:
        owner = traceback.tb_frame.f_locals.get("self")
        if id(owner) in paths and paths[id(owner)]:
            found = paths[id(owner)]
        traceback = traceback.tb_next
    return found or type(root).__name__
