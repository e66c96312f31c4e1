"""hqq: half-quadratic quantization of every Linear, groups along a row (axis 1), float zero point."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from hqq.core.quantize import BaseQuantizeConfig, HQQLinear
from torch import Tensor

from benchmarks.aq.workers import harness


def quantize(
    settings: harness.Settings,
) -> tuple[harness.Usage, Callable[[], Mapping[str, Tensor]], dict[str, Any]]:
    """Method `hqq` optimizes, `rtn` only rounds; both need asymmetric groups and look at no sample."""
    model = harness.language_model(settings.model)
    config = BaseQuantizeConfig(nbits=settings.bits, group_size=settings.group, axis=1)
    config["weight_quant_params"]["optimize"] = settings.method == "hqq"
    names = harness.decoder_linears(model)
    done = {}
    with harness.measured() as usage:
        for name in names:
            linear = model.get_submodule(name)
            done[name] = HQQLinear(linear, config, compute_dtype=torch.float32, device="cpu", del_orig=False)
    tensors = dict(model.state_dict())
    return usage, lambda: {**tensors, **{f"{name}.weight": done[name].dequantize() for name in names}}, {}


if __name__ == "__main__":
    harness.main(quantize)
