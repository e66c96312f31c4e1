"""The shipped models and samples, for tests and benchmarks."""

from pathlib import Path

from edgewright.config import ModelEntry

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "data/samples"

_FACTORIES = {
    "resnet8_cifar10": ("image-classification", (3, 32, 32)),
    "resnet20_cifar10": ("image-classification", (3, 32, 32)),
    "autoencoder_toycar": ("regression", (640,)),
}


def entry_of(name: str) -> ModelEntry:
    """The params.yaml entry of a shipped model, by the name of its folder."""
    raw: dict[str, object] = {"calibration": "c", "holdout": "h"}
    if name in _FACTORIES:
        task, shape = _FACTORIES[name]
        raw |= {
            "task": task, "input": {"shape": shape}, "factory": f"data.samples.models.{name}.model:create_model",
            "weights": f"data/samples/models/{name}/model.safetensors",
        }
    else:
        raw |= {"task": "language-modeling", "source": f"data/samples/models/{name}"}
    return ModelEntry.model_validate(raw)
