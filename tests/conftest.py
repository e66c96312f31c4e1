"""What all tests share: one thread, telemetry off, the shipped models."""

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.update(
    DO_NOT_TRACK="1", GX_ANALYTICS_ENABLED="false", HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1",
    PREFECT_SERVER_ANALYTICS_ENABLED="false", TOKENIZERS_PARALLELISM="false",
)

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support import ROOT, entry_of


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    """A function from the name of a shipped model to its folder as the model stage writes it."""
    from edgewright.models.load import fetch

    folders: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name not in folders:
            folders[name] = tmp_path_factory.mktemp(name.replace("_", "-"))
            fetch(entry_of(name), folders[name], ROOT)
        return folders[name]

    return make


@pytest.fixture(scope="session")
def loaded(model_folder):
    """A function from the name of a shipped model to its LoadedModel; do not change the module."""
    from edgewright.models.load import load

    models: dict[str, object] = {}

    def make(name: str):
        if name not in models:
            models[name] = load(model_folder(name), ROOT)
        return models[name]

    return make
