"""What takes one batch size only is run on any number of samples."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgewright import ir, targets
from edgewright.datasets import Sample
from edgewright.evaluate import evaluate, runners
from edgewright.models.load import LoadedModel
from edgewright.models.spec import InputSpec, ModelSpec

SPEC = ModelSpec(kind="program", task="image-classification", inputs=(InputSpec("x", (6,), "float32"),), parameters=28)
SAMPLES = np.random.default_rng(0).normal(size=(103, 6)).astype(np.float32)


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(6, 4).eval()


def program(size: int | None) -> torch.export.ExportedProgram:
    dynamic = None if size else ({0: torch.export.Dim("batch", min=1)},)
    with torch.no_grad():
        return torch.export.export(net(), (torch.zeros(size or 2, 6),), dynamic_shapes=dynamic)


def made(size: int | None, kind: str, folder: Path) -> runners.Runner:
    """A runner that admits batches of `size` only (None: of any)."""
    exported = program(size)
    if kind == "model":
        return runners.from_model(LoadedModel(ir.unlift(exported), SPEC, folder, batch=size), SPEC.float_bytes)
    if kind == "program":
        ir.save(ir.canonicalize(exported), folder / "program.pt2")
        return runners.from_program(folder / "program.pt2", SPEC.task)
    target, shape = targets.load("onnxruntime"), (SAMPLES[: size or 1],)
    targets.adapter(target).compile(exported, target, folder, batch_inputs=shape)
    return runners.from_artifact(folder, target, size or 1)


@pytest.mark.parametrize("kind", ["model", "program", "artifact"])
@pytest.mark.parametrize("size", [1, 4, None])
@pytest.mark.parametrize("count", [3, 4, 103])
def test_any_count_gives_the_logits_of_its_samples(size: int | None, kind: str, count: int, tmp_path: Path) -> None:
    found = made(size, kind, tmp_path).run((SAMPLES[:count],))
    with torch.no_grad():
        expected = net()(torch.from_numpy(SAMPLES[:count])).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["model", "program", "artifact"])
@pytest.mark.parametrize("size", [1, 4])
def test_a_static_batch_is_evaluated_to_the_last_sample(size: int, kind: str, tmp_path: Path) -> None:
    reference, runner = made(4, "model", tmp_path), made(size, kind, tmp_path)
    sample = Sample({"x": SAMPLES}, reference.run((SAMPLES,)).argmax(axis=1))
    found = evaluate(
        runner.run, sample, "image-classification", reference=reference.run, batch=runner.batch, drift_samples=8,
        runtime=runner.runtime, size_bytes=runner.size_bytes,
    )  # fmt: skip
    assert found["metric"] == {"name": "top1", "value": 100.0, "samples": 103, "reference": 100.0}


def test_a_dynamic_batch_is_one_call(tmp_path: Path) -> None:
    assert made(None, "program", tmp_path).batch == 100
    sizes: list[int] = []
    module = net()
    module.register_forward_hook(lambda _, inputs, __: sizes.append(len(inputs[0])))
    runners.from_model(LoadedModel(module, SPEC, tmp_path), SPEC.float_bytes).run((SAMPLES,))
    assert sizes == [103]
