"""ExecuTorch with the XNNPACK delegate: `.pte` files that run on CPUs, here included."""

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from edgewright import ir
from edgewright.files import read_json, write_json
from edgewright.targets import Target, artifact
from edgewright.targets.adapters import _executorch, _program
from edgewright.targets.adapters._times import trimmed_mean
from edgewright.targets.artifact import Example
from edgewright.targets.manifest import Manifest

RUNTIME = "xnnpack"
SOURCE = ("executorch", "executorch")
OPTIONS: tuple[str, ...] = ()
SCOPES = "scopes.json"
_ARTIFACT = "model.pte"
# XNNPACK's name of a kernel starts with its kind; the operators of the edge program that become it.
_KINDS = {
    "Convolution": ("convolution",),
    "Fully Connected": ("linear", "addmm", "mm"),
    "Batch Matrix Multiply": ("bmm",),
    "Add": ("add",),
    "Subtract": ("sub",),
    "Multiply": ("mul",),
    "Divide": ("div",),
    "Clamp": ("relu", "hardtanh", "clamp"),
    "Average Pooling": ("avg_pool2d",),
    "Max Pooling": ("max_pool2d",),
    "Mean": ("mean",),
    "Softmax": ("_softmax",),
    "Sigmoid": ("sigmoid",),
    "Reciprocal Square Root": ("rsqrt",),
    "Square": ("pow",),
}
EXAMPLE = Example(
    '''"""Run {artifact} ({target}) once on zeros. Needs: pip install executorch=={versions[executorch]}"""
from pathlib import Path

import torch
from executorch.runtime import Runtime

method = Runtime.get().load_program(Path(__file__).with_name("{artifact}")).load_method("forward")
inputs = [{inputs}]
print(tuple(method.execute(inputs)[0].shape))
''',
    "torch.zeros({shape}, dtype=torch.{dtype})",
)


def compile(
    program: ExportedProgram, target: Target, folder: Path, *, batch_inputs: Sequence[NDArray[Any]]
) -> Manifest:
    """Compile a float or QDQ Program into `folder/model.pte`, with `manifest.json` and `example.py`.

    Args:
        batch_inputs: arrays that give shape and dtype of each input; the artifact takes this shape only.
    """
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner

    reasons = _executorch.Reasons()
    with _executorch.quiet(), _refusals(reasons):
        specialized = ir.specialize(program, len(batch_inputs[0]), partial(_prepare, batch=len(batch_inputs[0])))
        lowered = _executorch.lower(specialized, XnnpackPartitioner(), reasons.by_node)
        content, planned = _executorch.buffers(lowered.edge)
    write_json(folder / SCOPES, lowered.order)
    return artifact.write(
        folder, _ARTIFACT, content, target, _executorch.PACKAGES, EXAMPLE, _program.signatures(specialized),
        delegated=len(lowered.order), delegates=len(lowered.delegates), not_delegated=lowered.not_delegated,
        memory_bytes=planned,
    )  # fmt: skip


def preload() -> None:
    """Import what `session` needs."""
    _runtime()


def _runtime() -> Any:
    """ExecuTorch's runtime bindings; `executorch.runtime` wraps the same, and imports the whole exporter."""
    from executorch.extension.pybindings import _C

    return _C


def session(folder: Path, target: Target, threads: int) -> Callable[[tuple[NDArray[Any], ...]], NDArray[Any]]:
    """A function that runs one batch on `folder/model.pte` with `threads` threads and returns its output.

    ExecuTorch has one thread pool per process: the latest session sets it for all.
    """
    runtime = _runtime()
    runtime._unsafe_reset_threadpool(threads)
    program = runtime._load_program(str(folder / _ARTIFACT))
    method = program.load_method("forward")

    def run(inputs: tuple[NDArray[Any], ...]) -> NDArray[Any]:
        outputs = method([torch.from_numpy(np.ascontiguousarray(array)) for array in inputs])
        # The runtime reuses its output memory at the next call.
        return np.array(outputs[0].numpy(), copy=True)

    # The method refers to the program's memory without owning it.
    run.program = program  # type: ignore[attr-defined]
    return run


def operator_times(
    folder: Path, inputs: tuple[NDArray[Any], ...], *, threads: int, runs: int
) -> list[dict[str, str | float]]:
    """Time of each kernel over `runs` runs: scope, operator (XNNPACK's kernel name), time_ms.

    XNNPACK knows no scopes. Kernels of a kind run in program order, so where there are as many as the
    program has operators of that kind each gets its operator's scope; elsewhere the scope is empty.
    """
    from executorch.devtools import Inspector
    from executorch.extension.pybindings import portable_lib
    from executorch.runtime import Runtime

    portable_lib._unsafe_reset_threadpool(threads)
    program = Runtime.get().load_program(
        (folder / _ARTIFACT).read_bytes(), enable_etdump=True, debug_buffer_size=0
    )
    method = program.load_method("forward")
    tensors = [torch.from_numpy(np.ascontiguousarray(array)) for array in inputs]
    for _ in range(runs):
        method.execute(tensors)
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trace = Path(name) / "trace.etdp"
        program.write_etdump_result_to_file(str(trace), str(Path(name) / "tensors.bin"))
        blocks = Inspector(etdump_path=str(trace)).event_blocks
    (block,) = [item for item in blocks if item.name == "Execute"]
    timed = [event for event in block.events if event.is_delegated_op or event.name.startswith("native_call_")]
    scopes = _kernel_scopes([event.name for event in timed], read_json(folder / SCOPES))
    return [
        {"scope": scope, "operator": event.name, "time_ms": trimmed_mean(event.perf_data.raw)}
        for event, scope in zip(timed, scopes, strict=True)
    ]


def _prepare(module: GraphModule, batch: int) -> None:
    """Spell 4-D matmuls, 3-D means and unsqueezes in the only form that the delegate takes.

    A matmul of 4-D tensors would become an expand, which stays on the host, and a batched matmul; the
    mean has to be of a 4-D tensor over its last two dimensions; an unsqueeze has to add the last dimension,
    where a reshape may add any. The sums are the same.
    """
    aten = torch.ops.aten
    for node in list(module.graph.nodes):
        if node.target == aten.matmul.default:
            left, right = (_sizes(item, batch) for item in node.args)
            if len(left) == len(right) == 4 and left[:2] == right[:2]:
                with module.graph.inserting_before(node):
                    flat = [
                        module.graph.call_function(aten.reshape.default, (item, [-1, *size[2:]]))
                        for item, size in zip(node.args, (left, right), strict=True)
                    ]
                    product = module.graph.call_function(aten.bmm.default, tuple(flat))
                    whole = [*left[:3], right[3]]
                    result = module.graph.call_function(aten.reshape.default, (product, whole))
                _replace(module, node, result, [*flat, product, result])
        elif node.target == aten.unsqueeze.default and node.meta["val"].dtype == torch.float32:
            with module.graph.inserting_before(node):
                result = module.graph.call_function(aten.reshape.default, (node.args[0], _sizes(node, batch)))
            _replace(module, node, result, [result])
        elif node.target == aten.mean.dim and node.args[1] in ([-1], [2]) and len(node.args) > 2 and node.args[2]:
            size = _sizes(node.args[0], batch)
            if len(size) == 3:
                with module.graph.inserting_before(node):
                    raised = module.graph.call_function(aten.reshape.default, (node.args[0], [*size, 1]))
                    mean = module.graph.call_function(aten.mean.dim, (raised, [2, 3], True))
                    result = module.graph.call_function(aten.reshape.default, (mean, [*size[:2], 1]))
                _replace(module, node, result, [raised, mean, result])


def _sizes(node: Node, batch: int) -> list[int]:
    """Shape of a node's value with the symbolic batch filled in."""
    return [batch if isinstance(size, torch.SymInt) else int(size) for size in node.meta["val"].shape]


def _replace(module: GraphModule, old: Node, new: Node, made: Sequence[Node]) -> None:
    for item in made:
        ir.adopt(item, [old])
    old.replace_all_uses_with(new)
    module.graph.erase_node(old)


def _kernel_scopes(kernels: Sequence[str], order: Sequence[tuple[str, str]]) -> list[str]:
    """Scope of each kernel name, by kind and position; empty where kernels and operators do not pair up."""
    kinds = [next((kind for kind in _KINDS if name.startswith(kind)), "") for name in kernels]
    waiting = {kind: [scope for op, scope in order if op in ops] for kind, ops in _KINDS.items()}
    paired = {kind for kind in _KINDS if kinds.count(kind) == len(waiting[kind])}
    return [waiting[kind].pop(0) if kind in paired else "" for kind in kinds]


@contextlib.contextmanager
def _refusals(reasons: _executorch.Reasons) -> Iterator[None]:
    """Collect the reasons that the partitioner's configurations give to its debug logger."""

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            node = getattr(record.msg, "node", None)
            if node is not None:
                reasons.add(node, str(getattr(record.msg, "reason", "")))

    logger = logging.getLogger("executorch.backends.xnnpack.partition")
    level, propagate = logger.level, logger.propagate
    handler = Collector(logging.DEBUG)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate
