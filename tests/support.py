"""The shipped models and samples, for tests and benchmarks, and the examples of the documentation."""

import os
import re
import sys
from pathlib import Path

from edgewright.config import ModelEntry

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "data/samples"

_FACTORIES = {
    "resnet8_cifar10": ("image-classification", (3, 32, 32)),
    "resnet20_cifar10": ("image-classification", (3, 32, 32)),
    "autoencoder_toycar": ("regression", (640,)),
}
_PREPROCESS = {
    "resnet20_cifar10": {"scale": 1 / 255, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)},
}


def search_path() -> str:
    """$PATH with the commands of this environment first."""
    return os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))


def entry_of(name: str) -> ModelEntry:
    """The params.yaml entry of a shipped model, by the name of its folder."""
    raw: dict[str, object] = {"calibration": "c", "holdout": "h"}
    if name in _FACTORIES:
        task, shape = _FACTORIES[name]
        raw |= {
            "task": task, "input": {"shape": shape}, "factory": f"data.samples.models.{name}.model:create_model",
            "weights": f"data/samples/models/{name}/model.safetensors", "preprocess": _PREPROCESS.get(name, {}),
        }
    else:
        raw |= {"task": "language-modeling", "source": f"data/samples/models/{name}"}
    return ModelEntry.model_validate(raw)


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page (`docs/go.md`) that are marked as of a language."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
