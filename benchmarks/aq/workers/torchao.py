"""torchao: for language models its integer weights (rtn, or `hqq` for its choice of parameters), for classifiers PT2E.

PT2E quantizes convolutions too; here weights only, per channel, symmetric, with its per-channel min-max observer.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.aq.workers import harness


def quantize(
    settings: harness.Settings,
) -> tuple[harness.Usage, Callable[[], Mapping[str, Tensor]], dict[str, Any]]:
    """Its own defaults but for bits, group and symmetry; it looks at no sample."""
    return _classifier(settings) if settings.factory else _language(settings)


def _language(settings: harness.Settings) -> tuple[harness.Usage, Callable[[], Mapping[str, Tensor]], dict[str, Any]]:
    from torchao.quantization import IntxWeightOnlyConfig, quantize_
    from torchao.quantization.granularity import PerAxis, PerGroup
    from torchao.quantization.quant_primitives import MappingType

    model = harness.language_model(settings.model)
    names = set(harness.decoder_linears(model))
    config = IntxWeightOnlyConfig(
        weight_dtype=getattr(torch, f"int{settings.bits}"),
        granularity=PerGroup(settings.group) if settings.group else PerAxis(0),
        mapping_type=MappingType.SYMMETRIC if settings.symmetric else MappingType.ASYMMETRIC,
        **({"intx_choose_qparams_algorithm": "hqq_scale_only"} if settings.method == "hqq" else {}),
    )
    with harness.measured() as usage:
        quantize_(model, config, lambda _, name: name in names)

    def weights() -> Mapping[str, Tensor]:
        rounded = {f"{name}.weight": model.get_submodule(name).weight.dequantize() for name in names}
        return {**model.state_dict(), **rounded}

    return usage, weights, {}


def _classifier(settings: harness.Settings) -> tuple[harness.Usage, Callable[[], Mapping[str, Tensor]], dict[str, Any]]:
    from torchao.quantization.pt2e import PerChannelMinMaxObserver

    model = harness.classifier(settings)
    layers = {name: item for name, item in model.named_modules() if isinstance(item, nn.Conv2d | nn.Linear)}
    limit = 2 ** (settings.bits - 1)
    rounded: dict[str, Tensor] = {}
    with harness.measured() as usage:
        for name, layer in layers.items():
            # What PT2E's prepare and convert do to a constant weight, without the graph around it.
            observer = PerChannelMinMaxObserver(
                ch_axis=0, dtype=torch.int8, qscheme=torch.per_channel_symmetric, quant_min=1 - limit,
                quant_max=limit - 1,
            )  # fmt: skip
            weight = layer.weight.detach()
            observer(weight)
            scale, zero_point = observer.calculate_qparams()
            rounded[f"{name}.weight"] = torch.fake_quantize_per_channel_affine(
                weight, scale.float(), zero_point.int(), 0, 1 - limit, limit - 1
            )
    return usage, lambda: {**model.state_dict(), **rounded}, {}


if __name__ == "__main__":
    harness.main(quantize)
