"""Throw-away environments of the reference packages, each made once."""

import os
import subprocess
import sys
from pathlib import Path

TORCH = "torch==2.13.0"
PACKAGES = {
    "auto-round": "auto-round==0.16.1",
    "gptqmodel": "gptqmodel==7.6.0",
    "hqq": "hqq==0.2.8.post1",
    "llmcompressor": "llmcompressor==0.14.0.1",
}
"""What each environment holds beside torch. torchao and onnxruntime are the project's own pins."""


def python(package: str, home: Path) -> Path:
    """The interpreter for a package; its environment is made first if it is not there.

    Raises:
        CalledProcessError: pip could not install it.
    """
    if package not in PACKAGES:
        return Path(sys.executable)
    folder = home / "venvs" / package
    interpreter = folder / "bin/python"
    done = folder / f".{PACKAGES[package]}"
    if not done.is_file():
        print(f"installing {PACKAGES[package]}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        # torch first: what depends on it would else choose a version of its own
        for requirement in ([TORCH], [TORCH, PACKAGES[package]]):
            subprocess.run([interpreter, "-m", "pip", "install", "-q", *requirement], check=True)
        done.touch()
    return interpreter


def variables(threads: int) -> dict[str, str]:
    """The environment of a worker: no network, as many threads as are measured with."""
    return {
        **{key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")},
        "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false",
        "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": str(threads), "EDGEWRIGHT_WORKERS": str(threads),
        "GPTQMODEL_CPU_WORKERS": str(max(2, threads)), "DO_NOT_TRACK": "1", "TQDM_DISABLE": "1",
    }
