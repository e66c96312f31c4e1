"""Which layers of a model a recipe quantizes, and how."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from torch import nn

from edgewright.aq.algorithms import DEFAULT_ROUNDER, split
from edgewright.aq.block import Layer
from edgewright.aq.contract import Skipped
from edgewright.aq.report import Failure
from edgewright.config import AqRecipe
from edgewright.errors import ConfigError, InputError, nearest
from edgewright.models.quantized import QuantizedModule, embedding_refusal, refusal
from edgewright.rounding import Grid, check

_KINDS = (nn.Linear, nn.Conv2d)
MXFP4 = Grid(bits=4, symmetric=True, group=32, format="mxfp4")

_Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Selection:
    """What a recipe does with the modules of a model.

    Attributes:
        layers: Linear and Conv2d modules that are quantized.
        embeddings: Embedding modules that are rounded to nearest, because a pattern names them.
        skipped: modules that stay as they are, with the reason.
        failures: those among the skipped that could not be quantized (`on_failure: float`).
    """

    layers: tuple[Layer, ...]
    embeddings: tuple[Layer, ...]
    skipped: tuple[Skipped, ...]
    failures: tuple[Failure, ...]


def select(model: nn.Module, recipe: AqRecipe) -> Selection:
    """Choose the modules that `recipe` quantizes.

    Every Linear and Conv2d is quantized but those whose weight is tied to another module (the output head
    that shares the embedding's), unless a pattern of `layers` gives fields for them. A pattern is a glob on
    the path of a module, or of one that contains it, or on the name of its class; later patterns win. An
    Embedding is quantized only where a pattern names it: by its whole path, or by its class.

    Raises:
        ConfigError: a pattern matches no layer, or names unknown algorithms.
        InputError: the model has no layer to quantize, weights are not finite, or a row is shorter than its group.
    """
    modules = dict(model.named_modules())
    layers = {name: item for name, item in modules.items() if isinstance(item, (*_KINDS, QuantizedModule))}
    tables = {name: item for name, item in modules.items() if isinstance(item, nn.Embedding)}
    if not layers:
        raise InputError("the model has no Linear or Conv2d module whose weight could be quantized")
    chosen = _chosen(recipe, layers, tables)
    tied = dict(_tied(model, layers))
    found: dict[bool, list[Layer]] = {False: [], True: []}
    skipped: list[Skipped] = []
    failures: list[Failure] = []
    for name, module in modules.items():
        is_table = name in tables
        if name not in layers and (not is_table or chosen.get(name) is None):
            continue
        fields = chosen.get(name, {})
        reason = embedding_refusal(module) if is_table else refusal(module)
        if fields is None:
            reason = "skipped by layers"
        elif reason is None and name in tied and name not in chosen:
            reason = f"its weight is tied to {tied[name]}"
        if reason is None:
            layer = _layer(name, module, recipe, fields or {})
            try:
                check(layer.matrix, layer.grid, name)
            except InputError as error:
                # Rounding to nearest could do no more with it.
                if recipe.on_failure != "float":
                    raise
                failure = Failure(name, str(error).removeprefix(f"{name}: "), "float")
                failures.append(failure)
                reason = f"{failure.reason} (on_failure: float)"
            else:
                found[is_table].append(layer)
        if reason is not None:
            skipped.append(Skipped(name, reason))
    return Selection(tuple(found[False]), tuple(found[True]), tuple(skipped), tuple(failures))


def _chosen(
    recipe: AqRecipe, layers: Mapping[str, nn.Module], tables: Mapping[str, nn.Module]
) -> dict[str, dict[str, Any] | None]:
    """The fields that patterns give for the modules that they match; None for those that they skip."""
    chosen: dict[str, dict[str, Any] | None] = {}
    for pattern, override in recipe.layers.items():
        matched = [name for name, module in layers.items() if _matches(pattern, name, module)]
        matched += [name for name in tables if _names(pattern, name)]
        if not matched:
            known = {*layers, *tables, *(type(module).__name__ for module in layers.values())}
            raise ConfigError(f"layers: the pattern '{pattern}' matches no Linear or Conv2d{nearest(pattern, known)}")
        for name in matched:
            fields = None if override == "skip" else override.model_dump(exclude_unset=True)
            chosen[name] = None if fields is None else {**(chosen.get(name) or {}), **fields}
    return chosen


def _names(pattern: str, name: str) -> bool:
    """Whether a pattern means an embedding; one of wildcards alone means the layers."""
    return pattern.strip("*.?") != "" and (fnmatchcase(name, pattern) or fnmatchcase("Embedding", pattern))


def _layer(name: str, module: nn.Module, recipe: AqRecipe, fields: _Fields) -> Layer:
    keys = ("format", "bits", "group", "symmetric", "clip", "algorithms")
    values = {**{key: getattr(recipe, key) for key in keys}, **fields}
    is_mxfp4 = values["format"] == "mxfp4"
    grid = MXFP4 if is_mxfp4 else Grid(values["bits"], values["symmetric"], values["group"])
    clip = values["clip"] and not is_mxfp4
    if isinstance(module, nn.Embedding):
        if fields.get("algorithms", (DEFAULT_ROUNDER,)) != (DEFAULT_ROUNDER,):
            raise ConfigError(f"layers: {name}: algorithms: an embedding is rounded to nearest; leave algorithms out")
        return Layer(name, module, grid, clip, (DEFAULT_ROUNDER,))
    transforms, rounder = split(values["algorithms"], f"layers: {name}: algorithms" if fields else "algorithms")
    return Layer(name, module, grid, clip, (*transforms, rounder))


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
        others = [other for other in holders.get(id(module.weight), ()) if other != name]
        if others:
            yield name, others[0]
