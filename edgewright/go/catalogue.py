"""All rules there are: one file each under `go/rules/<family>/`, and in a user's own folder."""

import inspect
from functools import cache
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType

from edgewright import registry
from edgewright.go import rules as package
from edgewright.go.rule import Rule, RuleError


@cache
def rules() -> tuple[Rule, ...]:
    """The rules that ship, by family and name."""
    found: list[Rule] = []
    for family in sorted(entry.name for entry in iter_modules(package.__path__) if entry.ispkg):
        folder = f"{package.__name__}.{family}"
        found.extend(_rule(import_module(registry.module(folder, name))) for name in registry.names(folder))
    return tuple(found)


def rule(name: str) -> Rule:
    """The shipped rule `name`."""
    return next(found for found in rules() if found.name == name)


def user_rules(folder: Path) -> tuple[Rule, ...]:
    """The rules of a user's `folder`, one a file, by name.

    Raises:
        RuleError: a file cannot be imported or holds no rule; or a name is taken by a shipped rule.
    """
    taken = {shipped.name for shipped in rules()}
    found = []
    for file in sorted(folder.glob("*.py")):
        name = f"user_rules.{file.stem}"
        spec = spec_from_file_location(name, file)
        if spec is None or spec.loader is None:
            raise RuleError(f"{file}: not a Python file")
        module = module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            raise RuleError(f"{file}: {type(error).__name__}: {error}") from error
        loaded = _rule(module)
        if loaded.name in taken:
            raise RuleError(f"{file}: a shipped rule has the name '{loaded.name}'; rename the file")
        found.append(loaded)
    return tuple(found)


def _rule(module: ModuleType) -> Rule:
    classes = [value for value in vars(module).values()
               if inspect.isclass(value) and issubclass(value, Rule) and value.__module__ == module.__name__]
    if len(classes) != 1:
        raise RuleError(f"{module.__name__}: expected one subclass of Rule, found {len(classes)}")
    if not inspect.cleandoc(classes[0].__doc__ or ""):
        raise RuleError(f"{module.__name__}: the rule's docstring must state its equation")
    return classes[0]()
