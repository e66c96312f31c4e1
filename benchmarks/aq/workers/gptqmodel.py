"""gptqmodel: gptq, and gptaq (its asymmetric calibration), each linear's weights as its saved checkpoint gives them."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from gptqmodel import BACKEND, GPTQModel, QuantizeConfig
from torch import Tensor

from benchmarks.aq.workers import harness


def quantize(
    settings: harness.Settings,
) -> tuple[harness.Usage, Callable[[], Mapping[str, Tensor]], dict[str, Any]]:
    """Its own defaults but for bits, group and symmetry; batches of 8 samples, as many as auto-round's."""
    options: dict[str, Any] = {}
    if settings.method == "gptaq":
        from gptqmodel.quantization.config import GPTAQConfig

        options["gptaq"] = GPTAQConfig()
    config = QuantizeConfig(bits=settings.bits, group_size=settings.group or -1, sym=settings.symmetric, **options)
    model = GPTQModel.load(settings.model, config, dtype=torch.float32, device="cpu")
    inner = model.model
    columns = {name: inner.get_submodule(name).in_features for name in harness.decoder_linears(inner)}
    ids = harness.calibration(settings)
    rows = [{"input_ids": row, "attention_mask": torch.ones_like(row)} for row in ids]
    with harness.measured() as usage:
        model.quantize(rows, batch_size=8)

    def weights() -> Mapping[str, Tensor]:
        saved = Path(settings.out) / "saved"
        model.save(str(saved))
        # Its kernel for CPUs takes float16 alone; scales are stored so anyway.
        loaded = GPTQModel.load(str(saved), backend=BACKEND.TORCH, dtype=torch.float16, device="cpu").model
        shutil.rmtree(saved)
        rounded = {f"{name}.weight": loaded.get_submodule(name).dequantize_weight().T[:, :width]
                   for name, width in columns.items()}
        return {**harness.language_model(settings.model).state_dict(), **rounded}

    return usage, weights, {}


if __name__ == "__main__":
    harness.main(quantize)
