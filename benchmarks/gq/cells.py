"""What is compared: models, schemes, toolchains and their settings."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.gq.models import CLASSIFIERS, LANGUAGE

MAPS = ("xnnpack", "onnxruntime", "openvino", "ethos-u85-256")
SCHEMES = ("w8a8", "w8a8 dynamic", "w4a8")
_AIMET = ("min-max", "tf-enhanced")
_ONNXRUNTIME = (("MinMax", "minmax"), ("Percentile", "percentile 99.999"), ("Entropy", "entropy"))


@dataclass(frozen=True)
class Cell:
    """One measurement: a model, a scheme, a toolchain, and its setting."""

    model: str
    scheme: str
    toolchain: str
    worker: str
    setting: tuple[tuple[str, Any], ...]

    @property
    def label(self) -> str:
        """As progress and tables show it."""
        return f"{self.model} {self.scheme} {self.toolchain}"

    @property
    def folder(self) -> str:
        """Name of the folder that its result is kept in."""
        return self.label.replace(" ", "-").replace(",", "")

    @property
    def is_ours(self) -> bool:
        """Whether it is Edgewright's."""
        return self.worker == "ours"


def cells() -> Iterator[Cell]:
    """All of them, of each model the references first."""
    for model in CLASSIFIERS:
        yield from _static_references(model)
        yield from (_ours(model, "w8a8", target) for target in MAPS)
        for ranges in _AIMET:
            yield Cell(model, "w4a8", f"AIMET {ranges}", "aimet", (("ranges", ranges), ("bits", 4)))
        for rounding in ("", ", adaround"):
            setting = (("target", "ethos-u85-256"), ("scheme", f"w4a8{rounding}"))
            yield Cell(model, "w4a8", f"ours{rounding or ', gptq'}", "ours", setting)
    yield from _static_references("toycar")
    yield from (_ours("toycar", "w8a8", target) for target in MAPS)
    for model in LANGUAGE:
        yield from (item for item in _static_references(model) if item.worker != "executorch")
        yield from (_ours(model, "w8a8", target) for target in ("onnxruntime", "openvino"))
        yield Cell(model, "w8a8 dynamic", "ONNX Runtime", "onnxruntime", (("calibration", None),))
        yield Cell(model, "w8a8 dynamic", "ExecuTorch XNNPACKQuantizer", "executorch",
                   (("target", "xnnpack"), ("dynamic", True)))
        yield Cell(model, "w8a8 dynamic", "torchao", "torchao", ())
        yield from (_ours(model, "w8a8 dynamic", target) for target in ("xnnpack", "onnxruntime"))


def _ours(model: str, scheme: str, target: str) -> Cell:
    return Cell(model, scheme, f"ours, {target}", "ours", (("target", target), ("scheme", scheme)))


def _static_references(model: str) -> Iterator[Cell]:
    for target, name in (("xnnpack", "XNNPACKQuantizer"), ("ethos-u85-256", "EthosUQuantizer")):
        yield Cell(model, "w8a8", f"ExecuTorch {name}", "executorch", (("target", target), ("dynamic", False)))
    for method, name in _ONNXRUNTIME:
        yield Cell(model, "w8a8", f"ONNX Runtime {name}", "onnxruntime", (("calibration", method),))
    for preset in ("mixed", "performance"):
        for bias in (False, True):
            name = f"NNCF {preset}{', fast bias correction' if bias else ''}"
            setting = (("preset", preset), ("bias", bias), ("transformer", model in LANGUAGE))
            yield Cell(model, "w8a8", name, "nncf", setting)
    for ranges in _AIMET:
        yield Cell(model, "w8a8", f"AIMET {ranges}", "aimet", (("ranges", ranges), ("bits", 8)))
