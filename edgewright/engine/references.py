"""What a Python file refers to, read from its syntax tree and remembered by its content."""

import ast
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from edgewright.engine import leftovers

_DOTTED = re.compile(r"edgewright(\.[a-z_]\w*)+")
_FORMAT = 1


class Found(NamedTuple):
    """What one file refers to, as dotted names that need not be modules.

    Attributes:
        bound: what an import statement gives a name to.
        bases: the modules that `from ... import` takes names from.
        named: strings that read like a module of ours.
        has_code: whether there is more than a docstring.
    """

    bound: tuple[str, ...]
    bases: tuple[str, ...]
    named: tuple[str, ...]
    has_code: bool


class References:
    """Reads files once per content: parsing all of the library takes longer than the rest of a plan."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._known: dict[str, list[Any]] = _load(store)
        self._used: dict[str, Found] = {}
        self._is_new = False

    def of(self, source: bytes, package: str) -> Found:
        """What `source`, a module of `package`, refers to; blocks under `TYPE_CHECKING` left out."""
        key = hashlib.sha256(package.encode() + b"\0" + source).hexdigest()
        if key not in self._used:
            if key in self._known:
                bound, bases, named, has_code = self._known[key]
                self._used[key] = Found(tuple(bound), tuple(bases), tuple(named), bool(has_code))
            else:
                self._used[key] = _read(source, package)
                self._is_new = True
        return self._used[key]

    def save(self) -> None:
        """Write down what was used, if anything was parsed."""
        if not self._is_new:
            return
        with leftovers.published(self._store) as path:
            path.write_text(json.dumps({"format": _FORMAT, "files": self._used}), encoding="utf-8")
        self._is_new = False


def _load(store: Path) -> dict[str, list[Any]]:
    try:
        value = json.loads(store.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    if not isinstance(value, dict) or value.get("format") != _FORMAT:
        return {}
    files: dict[str, list[Any]] = value["files"]
    return files


def _read(source: bytes, package: str) -> Found:
    tree = ast.parse(source)
    bound: set[str] = set()
    bases: set[str] = set()
    named: set[str] = set()
    for node in _running(tree):
        bound |= set(_bound(node, package))
        named |= set(_named(node, package))
        if isinstance(node, ast.ImportFrom):
            bases.add(_base(node, package))
    has_code = any(not isinstance(node, ast.Expr) for node in tree.body)
    return Found(tuple(sorted(bound)), tuple(sorted(bases)), tuple(sorted(named)), has_code)


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only a type checker sees."""
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending.extend(node.orelse)
        else:
            pending.extend(ast.iter_child_nodes(node))


def _bound(node: ast.AST, package: str) -> Iterator[str]:
    """What an import statement gives a name to, each of which may be a module."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (f"{_base(node, package)}.{alias.name}" for alias in node.names)


def _base(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    above = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join((*above, *([node.module] if node.module else [])))


def _named(node: ast.AST, package: str) -> Iterator[str]:
    """Modules and registry packages that a string names: `"edgewright.aq.driver"`, `f"{__package__}.rounders"`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and _DOTTED.fullmatch(node.value):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        parts = [
            part.value if isinstance(part, ast.Constant) else package
            for part in node.values
            if isinstance(part, ast.Constant) or ast.unparse(part).strip("f'\"{}") == "__package__"
        ]
        text = "".join(str(part) for part in parts)
        if len(parts) == len(node.values) and _DOTTED.fullmatch(text):
            yield text
