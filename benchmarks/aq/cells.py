"""What is compared: methods, grids of integers, models and seeds."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Literal

from benchmarks.aq.models import base, is_language
from edgewright import registry
from edgewright.aq.algorithms import ROUNDERS, TRANSFORMS

OURS = "ours"
Grid = Literal["smoke", "default", "full"]


@dataclass(frozen=True)
class Method:
    """An implementation of an algorithm or of a composition.

    Attributes:
        package: `ours`, or what implements it.
        name: in the words of its worker; algorithms are joined by `+`.
        family: the algorithm or composition that it implements, in our words.
        symmetric: the symmetries that it knows.
    """

    package: str
    name: str
    family: str
    symmetric: tuple[bool, ...] = (False, True)

    @property
    def label(self) -> str:
        """As the tables show it."""
        return f"{self.package} {self.name}"


def _reference(package: str, *names: str, symmetric: tuple[bool, ...] = (False, True)) -> list[Method]:
    family = {
        "rtn@mse": "rtn", "awq+rtn": "awq", "gptaq": "gptq", "spinquant+rtn": "quarot+rtn",
        "spinquant+gptq": "quarot+gptq",
    }
    return [Method(package, name, family.get(name, name), symmetric) for name in names]


REFERENCES = (
    *_reference("hqq", "hqq", symmetric=(False,)),
    *_reference("torchao", "rtn", "hqq"),
    *_reference("auto-round", "autoround", "rtn"),
    *_reference("gptqmodel", "gptq", "gptaq"),
    *_reference("llmcompressor", "rtn", "rtn@mse", "gptq", "awq+rtn", "awq+gptq", "smoothquant+gptq", "spinquant+rtn",
                "spinquant+gptq"),
    *_reference("auto-round", "awq", "awq+autoround", "quarot+rtn", "quarot+autoround"),
)
"""Every composition that the packages offer on a CPU, the dearest last."""

CLASSIFIER_REFERENCES = (
    Method("torchao", "rtn", "rtn", (True,)),
    Method("onnxruntime", "rtn", "rtn", (True,)),
)

_OURS = (
    "rtn", "rtn,clip", "hqq", "gptq", "gptq,clip", "awq", "awq,clip", "awq+gptq", "smoothquant+gptq", "quarot+rtn",
    "quarot+gptq", "autoround", "awq+autoround", "smoothquant+autoround", "quarot+autoround",
)  # fmt: skip
_OURS_CLASSIFIER = ("rtn", "rtn,clip", "hqq", "gptq", "gptq,clip", "awq", "autoround", "awq+gptq", "awq+autoround")


def _made_of(name: str) -> list[str]:
    return [step.partition("@")[0] for step in name.partition(",")[0].split("+")]


def ours(names: Iterable[str] = _OURS) -> list[Method]:
    """Our compositions, of the algorithms that there are."""
    known = {*registry.names(TRANSFORMS), *registry.names(ROUNDERS)}
    return [Method(OURS, name, name.partition(",")[0]) for name in names if set(_made_of(name)) <= known]


@dataclass(frozen=True)
class Cell:
    """One measurement."""

    model: str
    bits: int
    group: int | None
    symmetric: bool
    seed: int
    method: Method

    @property
    def grid(self) -> str:
        """w3g32 asym"""
        group = f"g{self.group}" if self.group else " per channel"
        return f"w{self.bits}{group} {'sym' if self.symmetric else 'asym'}"

    @property
    def label(self) -> str:
        """As progress shows it."""
        return f"{self.model} {self.grid} seed {self.seed} {self.method.label}"


GROUPS = {"stories260k": (32, 64), "english": (32, 64, 128)}
"""Groups that divide every row of the blocks' linears."""
_LANGUAGE = ("stories260k", "english", "stories260k-outliers", "english-outliers")
_CLASSIFIERS = ("resnet8", "resnet20")


def _slices(grid: Grid) -> Iterator[tuple[str, int, int | None, bool, tuple[int, ...]]]:
    """Model, bits, group, symmetry and seeds, what matters most first."""
    if grid == "smoke":
        yield "stories260k", 3, 32, False, (0,)
        return
    three, one = (0, 1, 2), (0,)
    if grid == "default":
        for symmetric, bits in product((False, True), (3, 2, 4)):
            yield "stories260k", bits, 32, symmetric, three if (bits, symmetric) == (3, False) else one
        for model, bits in (*product(_LANGUAGE[1:3], (3, 2, 4)), (_LANGUAGE[3], 3)):
            yield model, bits, 32, False, one
        for model in _LANGUAGE[:2]:
            for group, bits in product(GROUPS[model][1:], (3, 2)):
                yield model, bits, group, False, one
    else:
        for model, bits, symmetric in product(_LANGUAGE, (3, 2, 4), (False, True)):
            for group in GROUPS[base(model)]:
                yield model, bits, group, symmetric, three
    for model, bits in product(_CLASSIFIERS, (8, 4, 3)):
        yield model, bits, None, True, one


def cells(grid: Grid) -> list[Cell]:
    """The cells of a grid, in the order in which they run: the references of a slice before ours."""
    found = []
    for model, bits, group, symmetric, seeds in _slices(grid):
        methods = [*REFERENCES, *ours()] if is_language(model) else [*CLASSIFIER_REFERENCES, *ours(_OURS_CLASSIFIER)]
        if grid == "default" and base(model) == "english":
            methods = [method for method in methods if method.label not in _DEAR]
        if grid == "smoke":
            methods = [method for method in methods if method.label in _SMOKE]
        found += [
            Cell(model, bits, group, symmetric, seed, method)
            for seed, method in product(seeds, methods) if symmetric in method.symmetric
        ]
    return found


_DEAR = {"auto-round awq+autoround", "auto-round quarot+autoround", "llmcompressor awq+gptq"}
"""Compositions that take more than ten minutes on the larger model; the grid `full` has them there too."""
_SMOKE = {"torchao rtn", "ours rtn", "ours rtn,clip", "ours hqq", "ours gptq"}
