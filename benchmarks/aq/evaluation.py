"""The one function that scores the weights of every method."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from benchmarks.aq import models
from edgewright.evaluate import evaluate, runners
from edgewright.models.load import LoadedModel, load
from edgewright.models.spec import ModelSpec
from tests.support import ROOT


def score(name: str, home: Path, every: int, weights: Path | None = None) -> dict[str, float]:
    """Perplexity of a language model; top-1 and logit MSE of a classifier. All in float32 but for what was rounded.

    Args:
        name: a model of the benchmark.
        home: where it is prepared.
        every: of the evaluation sample every n-th window or image is taken.
        weights: the tensors of a method; the float model's own where none are given.

    Raises:
        ValueError: tensors are missing, or there are some that the model has no place for.
    """
    folder = models.prepare(name, home)
    sample = models.holdout(name, home, every)
    original = load(folder, ROOT)
    measured = original
    if weights is not None:
        tensors = load_file(weights)
        module = _language(folder, tensors) if models.is_language(name) else _filled(load(folder, ROOT).module, tensors)
        measured = LoadedModel(module, ModelSpec.read(folder), folder)
    runner = runners.from_model(measured, 0)
    reference = None if models.is_language(name) or weights is None else runners.from_model(original, 0).run
    found: dict[str, Any] = evaluate(
        runner.run, sample, measured.spec.task, reference=reference, batch=runner.batch, drift_samples=1,
        runtime=runner.runtime, size_bytes=0,
    )  # fmt: skip
    if models.is_language(name):
        return {"perplexity": found["metric"]["value"]}
    return {"top1": found["metric"]["value"], "logit_mse": found["drift"]["logit_mse"] if reference else 0.0}


def _language(folder: Path, tensors: Mapping[str, Tensor]) -> nn.Module:
    """The model with a head of its own, because rotations leave head and embedding different."""
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(folder, tie_word_embeddings=False)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    head = {"lm_head.weight": tensors["model.embed_tokens.weight"]} if "lm_head.weight" not in tensors else {}
    _filled(model, {**tensors, **head})
    return _Logits(model)


class _Logits(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.run = partial(model, use_cache=False)

    def forward(self, ids: Tensor) -> Tensor:
        logits: Tensor = self.run(ids).logits
        return logits


def _filled(model: nn.Module, tensors: Mapping[str, Tensor]) -> nn.Module:
    wanted = {name for name, value in model.state_dict().items() if value.is_floating_point()}
    # Tables, and the matrix that auto-round keeps beside the weights that it has rotated.
    surplus = {name for name in tensors.keys() - wanted if "inv_freq" not in name and "spinquant" not in name}
    missing = wanted - tensors.keys()
    if missing or surplus:
        raise ValueError(f"tensors missing: {sorted(missing)[:3]}, without a place: {sorted(surplus)[:3]}")
    model.load_state_dict({name: tensors[name] for name in wanted}, strict=False)
    return model
