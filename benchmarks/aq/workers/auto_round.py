"""auto-round: rtn, autoround (200 iterations, or `autoround@N`), awq, and quarot or awq before either."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from auto_round import AutoRound
from torch import Tensor, nn
from transformers import AutoTokenizer

from benchmarks.aq.workers import harness


def quantize(
    settings: harness.Settings,
) -> tuple[harness.Usage, Callable[[], Mapping[str, Tensor]], dict[str, Any]]:
    """Its own defaults but for bits, group, symmetry and the calibration sample."""
    model = harness.language_model(settings.model)
    layers = harness.decoder_linears(model)
    has_tokenizer = (Path(settings.model) / "tokenizer.json").is_file()
    tokenizer = AutoTokenizer.from_pretrained(settings.model) if has_tokenizer else None
    ids = harness.calibration(settings)
    *transforms, last = settings.steps
    name, _, count = last.partition("@")
    names = {"autoround": "auto_round"}
    scheme = {"bits": settings.bits, "group_size": settings.group or -1, "sym": settings.symmetric, "data_type": "int",
              "act_bits": 16}
    with harness.measured() as usage:
        run = AutoRound(
            model, tokenizer, scheme=scheme, alg_configs=[names.get(item, item) for item in (*transforms, name)],
            dataset=[row[None] for row in ids], seqlen=ids.shape[1], nsamples=len(ids), seed=42 + settings.seed,
            device_map="cpu", **({"iters": int(count)} if count else {}),
        )  # fmt: skip
        found = run.quantize()
    quantized = found[0] if isinstance(found, tuple) else found

    def weights() -> Mapping[str, Tensor]:
        rounded = {f"{name}.weight": _exact(quantized.get_submodule(name)) for name in layers}
        # It runs in bfloat16; what it did not touch is taken from the float32 model.
        rest = quantized.state_dict() if transforms else harness.language_model(settings.model).state_dict()
        return {**{name: value for name, value in rest.items() if not name.startswith(inside)}, **rounded}

    inside = tuple(f"{name}." for name in layers)
    return usage, weights, {}


def _exact(layer: nn.Module) -> Tensor:
    """Integers times scales in float32, of weights that the package leaves rounded to bfloat16."""
    weight = layer.weight.detach().float()
    scale = layer.scale.float().reshape(len(weight), -1)
    width = weight.shape[1] // scale.shape[1]
    steps = weight.reshape(*scale.shape, width) / scale[..., None]
    zero = layer.zp.float() if isinstance(layer.zp, Tensor) else torch.tensor(float(layer.zp or 0))
    zero = zero.reshape(*scale.shape, 1) if zero.numel() > 1 else zero
    integers = (steps + zero).round()
    if (integers - zero - steps).abs().max() > 0.3:
        raise ValueError("weights are not on the grid of their scales")
    return ((integers - zero) * scale[..., None]).reshape(weight.shape)


if __name__ == "__main__":
    harness.main(quantize)
