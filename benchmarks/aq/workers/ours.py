"""Edgewright: algorithms joined by `+`, an option behind `@` (`autoround@50`), then `,clip` for the clipping search."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from benchmarks.aq.workers import harness
from edgewright import aq
from edgewright.config import AqRecipe
from edgewright.datasets import Sample
from edgewright.models.load import load
from edgewright.models.quantized import QuantizedConv2d, QuantizedLinear
from tests.support import ROOT


def recipe(settings: harness.Settings) -> AqRecipe:
    """The entry of params.yaml."""
    method, _, clip = settings.method.partition(",")
    steps = [step.partition("@") for step in method.split("+")]
    return AqRecipe.model_validate({
        "algorithms": [name for name, _, _ in steps], "clip": clip == "clip", "bits": settings.bits,
        "group": settings.group, "symmetric": settings.symmetric,
        "options": {name: {"iterations": int(count)} for name, _, count in steps if count},
        **({} if settings.factory else {"layers": {"lm_head": "skip"}}),
    })


def quantize(
    settings: harness.Settings,
) -> tuple[harness.Usage, Callable[[], Mapping[str, Tensor]], dict[str, Any]]:
    """Defaults but for bits, group and symmetry; finished blocks go to disk, as they do in the stage."""
    model = load(Path(settings.model), ROOT, dtype="stored")
    sample = Sample({model.spec.inputs[0].name: np.load(settings.calibration)})
    entry = recipe(settings)
    with harness.measured(settings.watch) as usage:
        result = aq.quantize(model, sample, entry, resume=Path(settings.out) / "resume")

    def weights() -> Mapping[str, Tensor]:
        tensors = dict(result.module.state_dict())
        for name, module in result.module.named_modules():
            if isinstance(module, QuantizedLinear | QuantizedConv2d):
                for key in [key for key in tensors if key.startswith(f"{name}.weight_")]:
                    del tensors[key]
                tensors[f"{name}.weight"] = module.float_weight()
        return tensors

    return usage, weights, {"layers": len(result.layers)}


if __name__ == "__main__":
    harness.main(quantize)
