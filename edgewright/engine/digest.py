"""Digests of the code behind a stage: our modules that it can import, and the versions of what they import.

A dotted name in a string constant counts as an import too: that is how lazy modules are reached, and
registry packages (edgewright/registry.py). All modules of such a package count; where the configuration
says which of them are used, only those do.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from edgewright import registry
from edgewright.config import Params
from edgewright.engine import recipes
from edgewright.engine.imports import Sources
from edgewright.errors import ConfigError

_FREE_PACKAGES = ("edgewright.engine", "edgewright.cli")
_COUNTED = ("edgewright.engine.report_files",)
_TARGETS = "edgewright.targets"
_AQ_PACKAGES = ("edgewright.aq.transforms", "edgewright.aq.rounders")
_METRICS = "edgewright.evaluate.metrics"
_WHOLE = ("edgewright.gq.rounding", "edgewright.gq.corrections")
_ADAPTERS = "edgewright.targets.adapters"

_DISTRIBUTIONS = {"yaml": "PyYAML", "PIL": "pillow", "ethosu": "ethos-u-vela", "tosa_reference_model": "tosa-tools"}

Narrowing = dict[str, Collection[str]]
"""Registry package to the names of its choices that are used."""


def code(root: Path, params: Params, plan: Mapping[str, Any]) -> dict[str, Any]:
    """The value of code.json: per stage, or per choice where that is finer, a hexadecimal sha256.

    Args:
        root: the workspace, where `stages` and the model factories lie.
        params: the configuration that the choices are read from.
        plan: the value of plan.json.
    """
    digests = _Digests(root)
    value = digests.code(params, plan)
    digests.sources.save()
    return value


class _Digests:
    def __init__(self, root: Path) -> None:
        self.sources = Sources(root, free=_FREE_PACKAGES, counted=_COUNTED, without_data=(_TARGETS,))

    def code(self, params: Params, plan: Mapping[str, Any]) -> dict[str, Any]:
        targets = sorted({item["target"] for item in plan["go"].values()})
        none: Narrowing = {_ADAPTERS: ()}
        return {
            "model": self.stage("model", none),
            "factory": {name: self.modules(_factory(params, name), none) for name in sorted(plan["model"])},
            "holdout": self.stage("holdout", none),
            "calibration": self.stage("calibration", none),
            "aq": {
                name: self.stage("aq", none | dict.fromkeys(_AQ_PACKAGES, self.algorithms(params, name)))
                for name in _used(plan["aq"], "recipe")
            },
            "ir": self.stage("ir", none),
            "go": self.stage("go", none),
            "gq": {
                name: self.stage("gq", none | self.calibration_method(params, name))
                for name in _used(plan["gq"], "scheme")
            },
            "capability": {name: _capability(name) for name in targets},
            "runtime": {name: self.adapter(name) for name in targets} | {"pytorch": _sha({"torch": version("torch")})},
            "compile": self.stage("compile", none),
            "evaluate": {
                task: self.stage("evaluate", none | _narrowed(_METRICS, (task,)))
                for task in _used(plan["evaluate"], "task")
            },
            "profile": self.stage("profile", none),
            "report": self.stage("report", none),
        }

    def stage(self, name: str, choices: Narrowing) -> str:
        module = f"stages.{name}"
        if self.sources.file(module) is None:
            raise ConfigError(f"stages/{name}.py: missing; `edgewright init` writes it")
        return self.modules((module,), choices)

    def adapter(self, target: str) -> str:
        from edgewright import targets

        adapter = registry.module(_ADAPTERS, targets.load(target).toolchain.replace("_", "-"))
        return self.modules((adapter,), {_ADAPTERS: ()})

    def algorithms(self, params: Params, recipe: str) -> tuple[str, ...]:
        return recipes.used(params.aq[recipe], f"params.yaml: aq.{recipe}")

    def calibration_method(self, params: Params, scheme: str) -> Narrowing:
        names = params.gq[scheme].calibration_methods
        return {
            package: tuple(name for name in names if name in registry.names(package))
            for package in self.sources.registries("edgewright.gq") if package not in _WHOLE
        }

    def modules(self, names: Collection[str], choices: Narrowing) -> str:
        closure = self.sources.closure(names, choices)
        files = {name: _file_digest(path) for name, path in closure.files.items()}
        versions = {name: version(name) for name in sorted(closure.third_party)}
        return _sha({"files": files, "versions": versions})


def _used(items: Mapping[str, Mapping[str, str]], field: str) -> list[str]:
    return sorted({item[field] for item in items.values()})


def _factory(params: Params, model: str) -> tuple[str, ...]:
    factory = params.models[model].factory
    return (factory.partition(":")[0],) if factory else ()


def _narrowed(package: str, names: Collection[str]) -> Narrowing:
    """`names` of `package`, or all of it where its choices go by other names."""
    return {package: names} if set(names) & set(registry.names(package)) else {}


def _capability(target: str) -> str:
    from edgewright import targets

    return _sha(targets.load(target).model_dump(mode="json"))


def _file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _sha(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@cache
def version(top_level: str) -> str:
    """Public version of the distribution that provides an import name; `absent` where none does.

    The local part is left out: `2.13.0` and `2.13.0+cpu` are the same release from different indexes.
    """
    try:
        return metadata.version(_DISTRIBUTIONS.get(top_level, top_level)).partition("+")[0]
    except metadata.PackageNotFoundError:
        found = sorted(set(_packages().get(top_level, ())))
        return ", ".join(f"{name} {metadata.version(name).partition('+')[0]}" for name in found) or "absent"


@cache
def _packages() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()
