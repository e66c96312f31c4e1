"""The figures that the shipped models state, found by the metrics."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from edgewright.datasets import Sample
from edgewright.evaluate import evaluate, metric_class
from edgewright.models.load import LoadedModel
from tests.support import SAMPLES


def decoded(value: Any) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(value["bytes"])).convert("RGB"), np.float32).transpose(2, 0, 1)


def test_resnet8_has_its_stated_top1_and_the_logits_that_references_were_measured_on(
    loaded: Callable[[str], LoadedModel],
) -> None:
    resnet8 = loaded("resnet8_cifar10").module
    table = pq.read_table(SAMPLES / "cifar10_test.parquet")
    sample = Sample(
        {"x": np.stack([decoded(value) for value in table["image"].to_pylist()])}, table["label"].to_numpy()
    )

    def run(inputs: tuple[np.ndarray, ...]) -> np.ndarray:
        with torch.no_grad():
            return resnet8(torch.from_numpy(inputs[0])).numpy()

    def shrunk(inputs: tuple[np.ndarray, ...]) -> np.ndarray:
        return run(inputs) * np.float32(0.9)

    found = evaluate(
        shrunk, sample, "image-classification", reference=run, batch=500, drift_samples=64,
        runtime="pytorch", size_bytes=1,
    )  # fmt: skip
    assert found["metric"]["value"] == found["metric"]["reference"] == 86.6
    assert found["drift"]["snr_db"] == pytest.approx(20.0, abs=1e-3)
    # a published SNR of 25.7 dB at an MSE of 2.67 puts the energy of the logits near 1,000
    assert 900 < found["drift"]["logit_mse"] * 100 < 1100
    assert found["interval"]["low"] < 0 < found["interval"]["high"]


def test_perplexity_is_the_language_models_own_loss() -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = SAMPLES / "models" / "stories260k_llama"
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = pq.read_table(SAMPLES / "tinystories_eval.parquet")["text"].slice(0, 30).to_pylist()
    stream = [token for text in texts for token in tokenizer(text)["input_ids"]]
    windows = torch.tensor(stream[: len(stream) // 256 * 256]).reshape(-1, 256)
    metric = metric_class("perplexity")()
    losses = []
    with torch.no_grad():
        for window in windows.split(4):
            output = model(window, labels=window)
            losses += [output.loss.item()] * len(window)
            metric.update(output.logits.numpy(), reference=None, labels=None, inputs=(window.numpy(),))
    assert metric.compute() == pytest.approx(np.exp(np.mean(losses)), rel=1e-4)
    assert 3 < metric.compute() < 5
