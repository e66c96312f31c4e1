"""What every worker shares: its settings, the model, the clock and the memory, and the weights that it hands back."""

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn


@dataclass(frozen=True)
class Settings:
    """What a worker is asked for.

    Attributes:
        method: what to run, in the worker's own words: `awq+gptq`.
        model: a folder with `model.safetensors`: of Hugging Face, or of a classifier.
        factory: the module whose `create_model` builds a classifier; empty for a language model.
        calibration: a .npy file of token ids [samples, tokens] int64, or of images [samples, 3, 32, 32] float32.
        group: columns of a group, None for one scale a row.
        out: folder for `weights.safetensors` and `result.json`.
        weights: whether the weights are wanted.
        watch: whether to follow the memory that is no file's, looking every 10 ms.
    """

    method: str
    model: str
    factory: str
    calibration: str
    bits: int
    group: int | None
    symmetric: bool
    seed: int
    out: str
    threads: int = 2
    weights: bool = True
    watch: bool = False

    @property
    def steps(self) -> tuple[str, ...]:
        """The algorithms of `method`, in order."""
        return tuple(self.method.split("+"))


@dataclass
class Usage:
    """Seconds of wall clock and of processors, resident bytes before and at most, those of no file at most."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    loaded_bytes: int = 0
    peak_bytes: int = 0
    anonymous_bytes: int = 0
    load: float = field(default_factory=lambda: os.getloadavg()[0])


def resident(key: str) -> int:
    """A field of /proc/self/status in bytes: VmRSS is what is resident, VmHWM the most that ever was."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    return 0


@contextmanager
def measured(watch: bool = False) -> Iterator[Usage]:
    """Measure what happens inside; the peak counts from here on."""
    usage, done = Usage(loaded_bytes=resident("VmRSS")), threading.Event()

    def follow() -> None:
        while not done.wait(0.01):
            usage.anonymous_bytes = max(usage.anonymous_bytes, resident("RssAnon"))

    Path("/proc/self/clear_refs").write_text("5")
    watcher = threading.Thread(target=follow, daemon=True)
    if watch:
        watcher.start()
    start, cpu = time.perf_counter(), time.process_time()
    yield usage
    usage.seconds, usage.cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    usage.peak_bytes = resident("VmHWM")
    done.set()


def language_model(folder: str) -> nn.Module:
    """The float32 model of a Hugging Face folder."""
    from transformers import AutoModelForCausalLM

    model: nn.Module = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    return model


def classifier(settings: Settings) -> nn.Module:
    """The float32 classifier of a folder."""
    model: nn.Module = import_module(settings.factory).create_model()
    model.load_state_dict(load_file(Path(settings.model) / "model.safetensors"))
    return model.eval()


def calibration(settings: Settings) -> Tensor:
    """The calibration samples, one a row."""
    return torch.from_numpy(np.load(settings.calibration))


def decoder_linears(model: nn.Module) -> list[str]:
    """Paths of what is quantized of a language model: every Linear in its blocks, not embedding and head."""
    return [name for name, module in model.named_modules() if isinstance(module, nn.Linear) and ".layers." in name]


@torch.no_grad()
def effective(module: nn.Module, columns: int) -> Tensor:
    """The weight [out, columns] that a module multiplies its input by, however it stores it."""
    weight: Tensor = module(torch.eye(columns)).T
    bias = getattr(module, "bias", None)
    return weight if bias is None else weight - bias[:, None]


def plain(model: nn.Module, columns: Mapping[str, int]) -> dict[str, Tensor]:
    """The model's tensors under the names of its float form; of the layers in `columns`, what they compute."""
    inside = tuple(f"{name}." for name in columns)
    tensors = {name: value for name, value in model.state_dict().items() if not name.startswith(inside)}
    for name, width in columns.items():
        tensors[f"{name}.weight"] = effective(model.get_submodule(name), width)
    return tensors


def main(quantize: Callable[[Settings], tuple[Usage, Callable[[], Mapping[str, Tensor]], dict[str, Any]]]) -> None:
    """Run a worker: `quantize` gives what it used, its weights once they are asked for, and facts to keep."""
    settings = Settings(**json.loads(Path(sys.argv[1]).read_text()))
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    np.random.seed(settings.seed)
    usage, weights, facts = quantize(settings)
    out = Path(settings.out)
    if settings.weights:
        save_file(
            {name: value.detach().to(torch.float32).cpu().contiguous().clone() for name, value in weights().items()
             if value.is_floating_point()},
            out / "weights.safetensors",
        )
    (out / "result.json").write_text(json.dumps({**asdict(usage), **facts}))
