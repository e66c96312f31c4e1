"""OpenVINO's CPU plugin: `.onnx` files in QDQ form that run on CPUs, here included."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.export import ExportedProgram
from torch.fx import GraphModule

from edgewright import ir
from edgewright.errors import ConfigError
from edgewright.files import read_json, write_json
from edgewright.targets import Target, artifact
from edgewright.targets.adapters import _nbits, _onnx, _program, _tokens
from edgewright.targets.adapters._times import trimmed_mean
from edgewright.targets.artifact import Example
from edgewright.targets.manifest import Manifest, NotDelegated

RUNTIME = "openvino"
SOURCE = ("openvino", "openvino")
OPTIONS: tuple[str, ...] = ()
PROPERTIES = "properties.json"
DYNAMIC_GROUP = 32
_PACKAGES = ("openvino", *_onnx.PACKAGES)
_DEVICE = "CPU"
EXAMPLE = Example(
    '''"""Run {artifact} ({target}) once on zeros. Needs: pip install openvino=={versions[openvino]}"""
from pathlib import Path

import numpy as np
import openvino

model = openvino.Core().compile_model(str(Path(__file__).with_name("{artifact}")), "CPU", PROPERTIES)
inputs = {{{inputs}}}
print(model(inputs)[0].shape)
''',
    '"{name}": np.zeros({shape}, np.{dtype})',
)


def compile(
    program: ExportedProgram, target: Target, folder: Path, *, batch_inputs: Sequence[NDArray[Any]]
) -> Manifest:
    """Compile a float or QDQ Program into `folder/model.onnx`, with `manifest.json` and `example.py`.

    `properties.json` holds what the runtime must be told: it would else compute in bfloat16 where the CPU can, and
    quantize the activations of linear operators whose weight alone is integers.

    Args:
        batch_inputs: arrays that give shape and dtype of each input; the artifact takes this shape only.

    Raises:
        ConfigError: OpenVINO is not installed, or the program has linear operators with dynamic activations beside
            such with weights alone, which OpenVINO cannot tell apart.
    """
    _runtime()
    packed: list[_tokens.IntegerLinear] = []
    model, signatures = _onnx.export(program, batch_inputs, lambda module: _prepare(module, packed))
    dynamic = [linear for linear in packed if linear.is_dynamic]
    if 0 < len(dynamic) < len(packed):
        raise ConfigError("openvino quantizes the activations of all linear operators with integer weights, or of "
                          "none: give all of them dynamic activations, none, or say float for the rest under layers")
    properties = {
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": str(DYNAMIC_GROUP if dynamic else 0),
        "INFERENCE_PRECISION_HINT": "f32",
    }
    write_json(folder / PROPERTIES, properties)
    shown = "{{" + repr(properties)[1:-1].replace("'", '"') + "}}"
    example = replace(EXAMPLE, text=EXAMPLE.text.replace("PROPERTIES", shown))
    return artifact.write(
        folder, _onnx.ARTIFACT, model.SerializeToString(deterministic=True), target, _PACKAGES, example, signatures,
        delegated=len(model.graph.node), delegates=1, not_delegated=tuple(_left_float(dynamic)),
    )  # fmt: skip


def preload() -> None:
    """Import what `session` needs."""
    _runtime()


def session(folder: Path, target: Target, threads: int) -> Callable[[tuple[NDArray[Any], ...]], NDArray[Any]]:
    """A function that runs one batch on `folder/model.onnx` with `threads` threads and returns its output."""
    request = open_model(folder, threads).create_infer_request()

    def run(inputs: tuple[NDArray[Any], ...]) -> NDArray[Any]:
        # The runtime reuses its output memory at the next call.
        return np.array(request.infer(list(inputs))[0], copy=True)

    return run


def open_model(folder: Path, threads: int, **properties: str) -> Any:
    """An `openvino.CompiledModel` of `folder/model.onnx` with the properties beside it and `threads` threads."""
    given = {
        **read_json(folder / PROPERTIES),
        "INFERENCE_NUM_THREADS": str(threads),
        "NUM_STREAMS": "1",
        **properties,
    }
    return _runtime().Core().compile_model(str(folder / _onnx.ARTIFACT), _DEVICE, given)


def operator_times(
    folder: Path, inputs: tuple[NDArray[Any], ...], *, threads: int, runs: int
) -> list[dict[str, str | float]]:
    """Time of each kernel over `runs` runs by OpenVINO's profiler: scope, operator, time_ms.

    The operator is its type and the kernel that ran it: `Convolution brgconv_avx512_I8` multiplied integers.
    """
    import onnx

    compiled = open_model(folder, threads, PERF_COUNT="YES")
    scopes = _scopes(compiled, _onnx.scopes(onnx.load(folder / _onnx.ARTIFACT)))
    request = compiled.create_infer_request()
    times: dict[str, list[float]] = {}
    kernels: dict[str, str] = {}
    for _ in range(runs):
        request.infer(list(inputs))
        for event in request.profiling_info:
            if event.status == event.Status.EXECUTED:
                kernels[event.node_name] = f"{event.node_type} {event.exec_type}"
                times.setdefault(event.node_name, []).append(event.real_time.total_seconds() * 1e3)
    return [
        {"scope": scopes.get(name, ""), "operator": kernels[name], "time_ms": trimmed_mean(found)}
        for name, found in times.items()
    ]


def _scopes(compiled: Any, scopes: Mapping[str, str]) -> dict[str, str]:
    """Module scope of each node of the execution graph: that of the first node of the file that it stands for."""
    found = {}
    for node in compiled.get_runtime_model().get_ordered_ops():
        info = node.get_rt_info()
        names = info["originalLayersNames"].astype(str).split(",") if "originalLayersNames" in info else []
        originals = [name.partition("/")[0] for name in names]
        found[node.get_friendly_name()] = next((scopes[name] for name in originals if name in scopes), "")
    return found


def _left_float(dynamic: Sequence[_tokens.IntegerLinear]) -> Iterator[NotDelegated]:
    """Linear operators whose activations the runtime does not quantize, whatever it is told."""
    for linear in dynamic:
        columns = linear.integers.shape[1]
        if columns % DYNAMIC_GROUP:
            reason = f"its {columns} columns are no multiple of {DYNAMIC_GROUP}: the activations stay float"
            yield NotDelegated("linear", ir.scope(linear.node), reason)


def _prepare(module: GraphModule, packed: list[_tokens.IntegerLinear]) -> None:
    """uint8 activations, int32 biases and packed weights; `packed` gets the linear operators that have them."""
    for linear in _tokens.find(module):
        packed.append(linear)
        _nbits.rewrite(module, linear)
    _program.integer_biases(module, wide=False)
    _onnx.separate_biases(module)
    _onnx.unsigned_activations(module)


def _runtime() -> Any:
    try:
        import openvino
    except ModuleNotFoundError:
        raise ConfigError("target openvino: the package openvino is not installed: "
                          "pip install 'edgewright[openvino]'") from None
    return openvino
