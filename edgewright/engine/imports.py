"""The static import closure of a module: read from the source, nothing is imported."""

import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from edgewright.engine.references import References

_PACKAGE = Path(__file__).parents[1]
_CODE = (".py", ".pyc", ".pyi")


@dataclass(slots=True)
class Closure:
    """Our files by module name (data files by `module/file`), and the top-level names of everybody else's."""

    files: dict[str, Path] = field(default_factory=dict)
    third_party: set[str] = field(default_factory=set)


class Sources:
    """Our modules: the package edgewright, and what lies in a workspace.

    Modules of the packages `free` are left out of every closure, all but those `counted`, and data files
    beside the modules of the packages `without_data`.
    """

    def __init__(
        self, workspace: Path, *, free: Collection[str] = (), counted: Collection[str] = (),
        without_data: Collection[str] = (),
    ) -> None:
        self.workspace = workspace
        self.free = tuple(free)
        self.counted = frozenset(counted)
        self.without_data = frozenset(without_data)
        self._files: dict[str, Path | None] = {}
        self._references = References(workspace / ".edgewright" / "references.json")
        self._found: dict[str, tuple[set[str], set[str]]] = {}

    def file(self, module: str) -> Path | None:
        """The file of a module of ours, or None."""
        if module not in self._files:
            self._files[module] = next(self._candidates(module), None)
        return self._files[module]

    def registries(self, below: str) -> list[str]:
        """Packages at `below` and deeper, by dotted name, sorted."""
        start = self.file(below)
        if start is None:
            return []
        folders = (item.parent.relative_to(start.parent) for item in start.parent.rglob("__init__.py"))
        return sorted(".".join((below, *folder.parts)) for folder in folders)

    def closure(self, modules: Collection[str], choices: Mapping[str, Collection[str]]) -> Closure:
        """All that `modules` can import, functions included, `TYPE_CHECKING` blocks left out.

        Args:
            modules: dotted names to start from.
            choices: registry packages, each with the names of the choices that are used; all where it is missing.
        """
        found = Closure()
        pending = list(modules)
        seen: set[str] = set()
        while pending:
            module = pending.pop()
            if module in seen or self._is_free(module):
                continue
            seen.add(module)
            parent = module.rpartition(".")[0]
            path = self.file(module)
            if path is None:
                top = module.partition(".")[0]
                if not self._is_ours(top):
                    found.third_party |= {top} - sys.stdlib_module_names
                elif parent:
                    pending.append(parent)
                continue
            pending.extend([parent] if parent else [])
            self._add(found, module, path)
            imports, packages = self._reads(module, path)
            pending.extend(imports)
            for package in packages:
                pending.extend(self._chosen(package, choices))
        return found

    def _add(self, found: Closure, module: str, path: Path) -> None:
        found.files[module] = path
        if path.name != "__init__.py" or module in self.without_data:
            return
        for item in sorted(path.parent.iterdir()):
            if item.is_file() and item.suffix not in _CODE and not item.name.startswith("."):
                found.files[f"{module}/{item.name}"] = item

    def _chosen(self, package: str, choices: Mapping[str, Collection[str]]) -> Iterator[str]:
        path = self.file(package)
        if path is None or path.name != "__init__.py":
            return
        yield package
        if package in choices:
            names = (name.replace("-", "_") for name in choices[package])
            yield from (module for module in (f"{package}.{name}" for name in names) if self.file(module))
            return
        for file in sorted(path.parent.rglob("*.py")):
            parts = file.relative_to(path.parent).with_suffix("").parts
            yield ".".join((package, *(part for part in parts if part != "__init__")))

    def _candidates(self, module: str) -> Iterator[Path]:
        parts = module.split(".")
        root = _PACKAGE.parent if parts[0] == _PACKAGE.name else self.workspace
        base = root.joinpath(*parts)
        yield from (path for path in (base / "__init__.py", base.with_suffix(".py")) if path.is_file())

    def _is_ours(self, top: str) -> bool:
        """Whether a top-level name is found in the workspace; an installed package wins over a bare folder."""
        if self.file(top) is not None:
            return True
        if not top or not (self.workspace / top).is_dir():
            return False
        spec = find_spec(top)
        return spec is None or spec.origin is None

    def _is_free(self, module: str) -> bool:
        below = any(module == package or module.startswith(f"{package}.") for package in self.free)
        return below and module not in self.counted

    def _reads(self, module: str, path: Path) -> tuple[set[str], set[str]]:
        """Candidates for modules that a module imports, and the packages that it looks for choices in."""
        if module not in self._found:
            package = module if path.name == "__init__.py" else module.rpartition(".")[0]
            found = self._references.of(path.read_bytes(), package)
            packages = {name for name in found.named if self._is_package(name)}
            packages |= {name for name in found.bound if self._is_bare(name)}
            self._found[module] = {*found.bound, *found.bases, *found.named} - packages, packages
        return self._found[module]

    def _is_package(self, module: str) -> bool:
        path = self.file(module)
        return path is not None and path.name == "__init__.py"

    def _is_bare(self, module: str) -> bool:
        """Whether it is a package without code: whoever holds it can only look for what lies in it."""
        path = self.file(module)
        if path is None or path.name != "__init__.py" or "." not in module:
            return False
        found = self._references.of(path.read_bytes(), module)
        return not found.has_code

    def save(self) -> None:
        """Keep what was read for the next process."""
        self._references.save()
