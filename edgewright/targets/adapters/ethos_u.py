"""ExecuTorch with the Arm Ethos-U delegate: compiled by Vela, simulated by the TOSA reference model."""

import contextlib
import json
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from numpy.typing import NDArray
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from edgewright import ir, targets
from edgewright.files import read_json, write_json
from edgewright.targets import Target, artifact
from edgewright.targets.adapters import _executorch, _program, _tosa, _vela
from edgewright.targets.artifact import Example
from edgewright.targets.manifest import Manifest, load

RUNTIME = "tosa-reference-model"
SOURCE = ("Vela", "ethos-u-vela")
OPTIONS = ("accelerator", "system_config", "memory_mode", "optimise")
SCOPES = "scopes.json"
_ARTIFACT = "model.pte"
_PACKAGES = (*_executorch.PACKAGES, "ethos-u-vela", "tosa-tools")
_DEBUG_KEYS = ("debug_artifact_path", "dump_debug_info")
EXAMPLE = Example(
    '''"""Run the network of {artifact} ({target}) once on zeros, in the TOSA reference model.

The .pte runs on the device. Needs: pip install edgewright tosa-tools=={versions[tosa-tools]}
"""
from pathlib import Path

import numpy as np
from edgewright import targets
from edgewright.targets.adapters import ethos_u

run = ethos_u.session(Path(__file__).parent, targets.load("{target}"), threads=1)
inputs = ({inputs},)
print(run(inputs).shape)
''',
    "np.zeros({shape}, np.{dtype})",
)


def compile(
    program: ExportedProgram, target: Target, folder: Path, *, batch_inputs: Sequence[NDArray[Any]]
) -> Manifest:
    """Compile a QDQ Program into `folder/model.pte`, its TOSA networks, `manifest.json` and `example.py`.

    Args:
        batch_inputs: arrays that give shape and dtype of each input; the artifact takes this shape only.
    """
    from executorch.backends.arm.ethosu import EthosUCompileSpec, EthosUPartitioner

    folder.mkdir(parents=True, exist_ok=True)
    reasons = _executorch.Reasons()
    options = target.options
    with tempfile.TemporaryDirectory() as intermediates, _executorch.quiet():
        spec = EthosUCompileSpec(
            options["accelerator"],
            system_config=options["system_config"],
            memory_mode=options["memory_mode"],
            extra_flags=_vela.flags(options),
        )
        spec.dump_intermediate_artifacts_to(intermediates)
        spec.dump_debug_info(EthosUCompileSpec.DebugMode.JSON)
        specialized = ir.specialize(program, len(batch_inputs[0]), _prepare)
        with _refusals(reasons), _recorded() as records:
            lowered = _executorch.lower(specialized, EthosUPartitioner(spec), reasons.by_node)
        edge_program = lowered.edge.exported_program()
        _forget_paths(edge_program.graph_module, lowered.delegates)
        found = dict(zip(lowered.delegates, records, strict=True))
        _tosa.write_steps(edge_program, {name: network for name, (network, _) in found.items()}, folder)
        content, planned = _executorch.buffers(lowered.edge)
    write_json(folder / SCOPES, {name: scopes for name, (_, scopes) in found.items()})
    return artifact.write(
        folder, _ARTIFACT, content, target, _PACKAGES, EXAMPLE, _program.signatures(specialized),
        delegated=len(lowered.order), delegates=len(lowered.delegates), not_delegated=lowered.not_delegated,
        memory_bytes=planned,
    )  # fmt: skip


def preload() -> None:
    """Import what `session` needs."""
    import tosa_reference_model  # noqa: F401


def session(folder: Path, target: Target, threads: int) -> Callable[[tuple[NDArray[Any], ...]], NDArray[Any]]:
    """A function that simulates one batch: the TOSA reference model, and ATen for what the delegate left.

    `threads` is for the signature that all toolchains share: the reference model has one thread.
    """
    return _tosa.session(folder)


def estimate(folder: Path) -> dict[str, Any]:
    """Vela's internal compiler estimates of the networks in `folder`, run one after the other.

    Returns:
        cycles, latency_ms at `clock_hz`, sram_bytes (of the largest network), flash_bytes (of all), and
        operators: scope, operator and cycles of each row of Vela's table. What the host runs is not in it.
    """
    target = targets.load(load(folder)["target"])
    scopes = read_json(folder / SCOPES)
    files = sorted(folder.glob("*.tosa"))
    found = [_vela.estimate(file, target.options) for file in files]
    operators = [
        {"scope": scopes[file.stem].get(layer.name, ""), "operator": layer.operator, "cycles": layer.cycles}
        for file, item in zip(files, found, strict=True)
        for layer in item.layers
    ]
    return {
        "cycles": sum(item.cycles for item in found),
        "sram_bytes": max((item.sram_bytes for item in found), default=0),
        "flash_bytes": sum(item.flash_bytes for item in found),
        "latency_ms": sum(item.latency_ms for item in found),
        "clock_hz": max((item.clock_hz for item in found), default=0.0),
        "operators": operators,
    }


def _prepare(module: GraphModule) -> None:
    """The QDQ form that the partitioner takes: int32 biases, a pair before activations, marked operators."""
    _program.integer_biases(module, wide=True)
    _sum_for_mean(module)
    _separate_activations(module)
    _mark(module)


def _sum_for_mean(module: GraphModule) -> None:
    """Turn a quantized mean of N values into a sum whose output scale is N times as large.

    Exact: sum(x) in steps of N * scale is mean(x) in steps of scale, the same integers. The backend
    lowers a sum, but a mean only before quantization.
    """
    decomposed = torch.ops.quantized_decomposed
    for node in list(module.graph.nodes):
        users = list(node.users)
        if node.target != torch.ops.aten.mean.dim or not users:
            continue
        if any(user.target != decomposed.quantize_per_tensor.default for user in users):
            continue
        source = cast(Node, node.args[0])
        shape = source.meta["val"].shape
        dims = cast(Sequence[int] | None, node.args[1])
        count = math.prod(int(shape[dim]) for dim in (range(len(shape)) if dims is None else dims))
        node.target = torch.ops.aten.sum.dim_IntList
        for user in users:
            user.update_arg(1, cast(float, user.args[1]) * count)


def _separate_activations(module: GraphModule) -> None:
    """Give a fused activation its own quantized input, with the parameters of its output.

    Exact: rounding is monotone, so quantizing before a clamp and clamping before quantizing agree.
    A relu after a convolution or linear stays where the output's lowest integer is zero: the backend drops it
    there, for quantizing clamps as it does. It drops it from symmetric outputs too, where nothing clamps at zero.
    """
    decomposed = torch.ops.quantized_decomposed
    for node in list(module.graph.nodes):
        name = _program.name_of(node)
        if name not in ("relu", "relu6", "hardtanh", "clamp"):
            continue
        source = node.args[0]
        users = list(node.users)
        if not isinstance(source, Node) or len(users) != 1 or _is_pair(source):
            continue
        if users[0].target != decomposed.quantize_per_tensor.default:
            continue
        parameters = users[0].args[1:]
        _, zero_point, lowest = parameters[:3]
        clamps_at_zero = name == "relu" and zero_point == lowest
        if clamps_at_zero and _program.name_of(source) in ("conv1d", "conv2d", "linear"):
            continue
        with module.graph.inserting_before(node):
            quantized = module.graph.call_function(decomposed.quantize_per_tensor.default, (source, *parameters))
            restored = module.graph.call_function(
                decomposed.dequantize_per_tensor.default, (quantized, *parameters)
            )
        for item in (quantized, restored):
            ir.adopt(item, [node])
        node.replace_input_with(source, restored)


def _mark(module: GraphModule) -> None:
    """Mark the operators whose inputs and outputs are quantized, as the backend's own quantizer does."""
    from executorch.backends.arm.common.annotation_meta import ArmAnnotationInfo

    marked: set[Node] = set()
    for node in module.graph.nodes:
        if not _program.name_of(node) or _is_pair(node):
            continue
        sources = [item for item in node.all_input_nodes if item.op != "get_attr"]
        fused = len(node.users) == 1 and _program.name_of(next(iter(node.users))) == "relu"
        if all(_is_pair(item) or item in marked for item in sources) and (
            fused or all(_program.name_of(user) == "quantize_per_tensor" for user in node.users)
        ):
            marked.add(node)
            custom = {**node.meta.get("custom", {}), ArmAnnotationInfo.CUSTOM_META_KEY: {"quantized": True}}
            node.meta["custom"] = custom


def _is_pair(node: Node) -> bool:
    return _program.name_of(node).startswith(("quantize_per", "dequantize_per"))


def _forget_paths(module: GraphModule, names: Sequence[str]) -> None:
    """Drop the debug settings, the path of the intermediate folder among them, from what the `.pte` embeds."""
    for name in names:
        lowered = getattr(module, name)
        lowered._compile_specs = [item for item in lowered.compile_specs if item.key not in _DEBUG_KEYS]


@contextlib.contextmanager
def _recorded() -> Iterator[list[tuple[bytes, dict[str, str]]]]:
    """Collect the TOSA flatbuffer and the scopes of its tensors for each delegate, in order of lowering."""
    from executorch.backends.arm.tosa import backend

    records: list[tuple[bytes, dict[str, str]]] = []
    dump, hook = backend.debug_tosa_dump, backend.DebugHook

    def record_network(content: bytes, *_: Any, **__: Any) -> None:
        records.append((content, {}))

    class Recorder(hook):  # type: ignore[misc, valid-type]
        def serialize(self) -> str:
            for event in self._debug_events:
                stack = event.torch_info.nn_module_stack
                scope = list(stack.values())[-1][0] if isinstance(stack, dict) and stack else ""
                records[-1][1][event.aten_info.node_name] = scope
            return json.dumps(None)

    backend.debug_tosa_dump, backend.DebugHook = record_network, Recorder
    try:
        yield records
    finally:
        backend.debug_tosa_dump, backend.DebugHook = dump, hook


@contextlib.contextmanager
def _refusals(reasons: _executorch.Reasons) -> Iterator[None]:
    """Collect the reasons that the partitioner reports for the operators that it refuses."""
    from executorch.backends.arm.tosa import partitioner

    original = partitioner.WhyNoPartitionReporter

    class Reporter(original):  # type: ignore[misc, valid-type]
        def report_reject(self, node: Node, reason: str) -> None:
            reasons.add(node, reason)
            super().report_reject(node, reason)

    partitioner.WhyNoPartitionReporter = Reporter
    try:
        yield
    finally:
        partitioner.WhyNoPartitionReporter = original
