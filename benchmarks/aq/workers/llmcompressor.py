"""llm-compressor: rtn (min-max or, as `rtn@mse`, its clipping search), awq, gptq, and what it offers before them."""

from collections.abc import Callable, Mapping
from typing import Any

from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
from datasets import Dataset
from llmcompressor import oneshot
from llmcompressor.modifiers.gptq import GPTQModifier
from llmcompressor.modifiers.quantization import QuantizationModifier
from llmcompressor.modifiers.transform.awq import AWQModifier
from llmcompressor.modifiers.transform.smoothquant import SmoothQuantModifier
from llmcompressor.modifiers.transform.spinquant import SpinQuantModifier
from llmcompressor.pipelines.cache import IntermediatesCache
from torch import Tensor

from benchmarks.aq.workers import harness


def quantize(
    settings: harness.Settings,
) -> tuple[harness.Usage, Callable[[], Mapping[str, Tensor]], dict[str, Any]]:
    """Its own defaults but for bits, group and symmetry; `spinquant` is R1 and R2 of Hadamard matrices."""
    # Its AWQ pins memory even where no accelerator is, which raises there.
    IntermediatesCache.pin_memory = lambda *_: None
    model = harness.language_model(settings.model)
    columns = {name: model.get_submodule(name).in_features for name in harness.decoder_linears(model)}
    rounder, _, observer = settings.steps[-1].partition("@")
    grid: dict[str, Any] = {"observer": observer} if observer else {}
    scheme = QuantizationScheme(
        targets=["Linear"],
        weights=QuantizationArgs(
            num_bits=settings.bits, type="int", symmetric=settings.symmetric, group_size=settings.group,
            strategy="group" if settings.group else "channel", **grid,
        ),
    )  # fmt: skip
    quantizer = {"config_groups": {"group_0": scheme}, "ignore": ["lm_head"]}
    makers: dict[str, Callable[[], Any]] = {
        "rtn": lambda: QuantizationModifier(**quantizer),
        "gptq": lambda: GPTQModifier(**quantizer),
        "smoothquant": SmoothQuantModifier,
        "spinquant": lambda: SpinQuantModifier(rotations=["R1", "R2"], transform_type="hadamard"),
        "awq": AWQModifier,
    }
    recipe = [makers[name]() for name in (*settings.steps[:-1], rounder)]
    ids = harness.calibration(settings)
    data = Dataset.from_dict({"input_ids": ids.tolist(), "attention_mask": [[1] * ids.shape[1]] * len(ids)})
    with harness.measured() as usage:
        oneshot(
            model=model, recipe=recipe, dataset=data, max_seq_length=ids.shape[1], num_calibration_samples=len(ids),
            shuffle_calibration_samples=False, batch_size=8,
        )  # fmt: skip
    return usage, lambda: harness.plain(model, columns), {}


if __name__ == "__main__":
    harness.main(quantize)
