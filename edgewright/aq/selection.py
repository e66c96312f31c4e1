"""Which layers of a model a recipe quantizes, and how."""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from torch import nn

from edgewright.aq.algorithms import split
from edgewright.aq.block import Layer
from edgewright.aq.contract import Skipped
from edgewright.config import AqRecipe
from edgewright.errors import ConfigError, InputError, nearest
from edgewright.models.quantized import refusal
from edgewright.rounding import Grid, check

_KINDS = (nn.Linear, nn.Conv2d)


def select(model: nn.Module, recipe: AqRecipe) -> tuple[tuple[Layer, ...], tuple[Skipped, ...]]:
    """The layers that `recipe` quantizes, and those that it leaves float with the reason.

    Every Linear and Conv2d is quantized but those whose weight is tied to another module (the output head
    that shares the embedding's), unless a pattern of `layers` gives fields for them. A pattern is a glob on
    the path of a module, or of one that contains it, or on the name of its class; later patterns win.

    Raises:
        ConfigError: a pattern matches no layer, or names unknown algorithms.
        InputError: the model has no layer to quantize, weights are not finite, or a row is shorter than its group.
    """
    candidates = {name: module for name, module in model.named_modules() if isinstance(module, _KINDS)}
    if not candidates:
        raise InputError("the model has no Linear or Conv2d module whose weight could be quantized")
    chosen: dict[str, dict[str, Any] | None] = {name: {} for name in candidates}
    named: set[str] = set()
    for pattern, override in recipe.layers.items():
        matched = [name for name, module in candidates.items() if _matches(pattern, name, module)]
        if not matched:
            known = {*candidates, *(type(module).__name__ for module in candidates.values())}
            raise ConfigError(f"layers: the pattern '{pattern}' matches no Linear or Conv2d{nearest(pattern, known)}")
        for name in matched:
            fields = None if override == "skip" else override.model_dump(exclude_unset=True)
            chosen[name] = None if fields is None else {**(chosen[name] or {}), **fields}
            named.add(name)
    tied = dict(_tied(model, candidates))
    layers, skipped = [], []
    for name, module in candidates.items():
        reason = "skipped by layers" if chosen[name] is None else refusal(module)
        if reason is None and name in tied and name not in named:
            reason = f"its weight is tied to {tied[name]}"
        if reason is None:
            layers.append(_layer(name, module, recipe, chosen[name] or {}))
        else:
            skipped.append(Skipped(name, reason))
    return tuple(layers), tuple(skipped)


def _layer(name: str, module: nn.Module, recipe: AqRecipe, fields: Mapping[str, Any]) -> Layer:
    values = {**{key: getattr(recipe, key) for key in ("bits", "group", "symmetric", "algorithms")}, **fields}
    grid = Grid(values["bits"], values["symmetric"], values["group"])
    transforms, rounder = split(values["algorithms"], f"layers: {name}: algorithms" if fields else "algorithms")
    layer = Layer(name, module, grid, recipe.clip, (*transforms, rounder))
    check(layer.matrix, grid, name)
    return layer


def _matches(pattern: str, name: str, module: nn.Module) -> bool:
    path = name.split(".")
    paths = (".".join(path[: length + 1]) for length in range(len(path)))
    classes = (cls.__name__ for cls in type(module).__mro__ if issubclass(cls, _KINDS))
    return any(fnmatchcase(text, pattern) for text in (*paths, *classes))


def _tied(model: nn.Module, candidates: Mapping[str, nn.Module]) -> Iterator[tuple[str, str]]:
    """Names of layers whose weight another module holds too, with that module's name."""
    holders: dict[int, list[str]] = {}
    for name, module in model.named_modules():
        for parameter in module.parameters(recurse=False):
            holders.setdefault(id(parameter), []).append(name)
    for name, module in candidates.items():
        others = [other for other in holders[id(module.weight)] if other != name]
        if others:
            yield name, others[0]
