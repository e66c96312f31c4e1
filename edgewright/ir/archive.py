"""What may stand in the archive of an exported program: nothing that runs code when it is opened.

`torch.export.load` unpickles what the archive tells it to, evaluates size expressions, calls the functions that
it names as operators, and writes the names of nodes into Python source. So everything but the bytes of tensors
is looked at before, and only what is known to be harmless passes.
"""

import ast
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch.utils._sympy import functions

from edgewright.errors import InputError, first_line
from edgewright.ir.operators import NAMESPACES

_ENTRIES = re.compile(
    r"data/weights/weight_\d+|data/constants/tensor_\d+|data/(weights|constants)/[\w.-]+_config\.json"
    r"|data/(weights|constants|sample_inputs)/[\w.-]+\.pt|models/[\w.-]+\.json|extra/.+"
    r"|archive_format|archive_version|\.data/(version|serialization_id)|byteorder|version"
)
_PAYLOAD = re.compile(r"(weight|tensor)_\d+")
_NAME = re.compile(r"[\w ./-]*")
_OPERATOR = re.compile(
    rf"torch\.ops\.({'|'.join(sorted(NAMESPACES))})\.\w+\.[A-Za-z]\w*|torch\.ops\.higher_order\.[A-Za-z]\w*"
    r"|torch\._?sym_\w+|math\.(ceil|floor|trunc)"
    r"|_operator\.(getitem|add|mul|sub|truediv|floordiv|mod|pow|neg|abs|[lr]shift|[gl][et]|eq|ne|and_|or_|not_)"
)
_OPERATOR_KEYS = {"target", "as_operator"}
_FREE_KEYS = {
    "as_string", "custom", "from_node", "guards_code", "nn_module_stack", "source_fn_stack", "stack_trace", "torch_fn",
    "torch_version",
}  # fmt: skip
_JSON_KEYS = {"in_spec", "out_spec", "context"}
_IMPORTING_KEYS = {"__enum__", "default_factory_module"}
_SYNTAX = (
    ast.Expression, ast.Call, ast.Name, ast.Load, ast.Constant, ast.keyword, ast.BinOp, ast.operator, ast.UnaryOp,
    ast.unaryop,
)  # fmt: skip
_NAMED = {"Symbol", "Float"}
_FUNCTIONS = _NAMED | {*functions.__all__} | {
    "Integer", "Rational", "Add", "Mul", "Pow", "Abs", "Max", "Min", "Equality", "Unequality", "LessThan",
    "GreaterThan", "StrictLessThan", "StrictGreaterThan", "Not", "And", "Or", "Piecewise", "ExprCondPair", "floor",
    "ceiling",
}  # fmt: skip


def check(path: Path) -> None:
    """Refuse an archive that could run code when `torch.export.pt2_archive` loads it.

    Raises:
        InputError: naming the first entry that could.
    """
    # The reader that loading uses too: another one may see other entries in the same file.
    reader = torch._C.PyTorchFileReader(str(path))
    for entry in reader.get_all_records():
        found = next(_suspicious(entry, reader), None)
        if found is not None:
            raise InputError(f"{path}: refused, because it may hold code: {found}; export the model anew, of plain"
                             " parameters and tensors, with torch.export.save")


def _suspicious(entry: str, reader: Any) -> Iterator[str]:
    if not _ENTRIES.fullmatch(entry):
        yield f"unknown entry {entry!r}"
    elif entry.endswith("_config.json"):
        for name, payload in json.loads(reader.get_record(entry))["config"].items():
            if payload["use_pickle"] or not _PAYLOAD.fullmatch(payload["path_name"]) or not _NAME.fullmatch(name):
                yield f"{name!r} in {entry} is no plain tensor"
    elif entry.startswith("models/"):
        yield from (f"{text!r} in {entry}" for text in _texts(json.loads(reader.get_record(entry))))
    elif entry.endswith(".pt") and not entry.startswith("extra/"):
        content = reader.get_record(entry)
        try:
            if content:
                torch.load(io.BytesIO(content), weights_only=True)
        except Exception as error:
            yield f"{entry} is no plain file of tensors ({first_line(error)})"


def _texts(value: Any, key: str = "") -> Iterator[str]:
    """The texts below `value` that are none of those an export writes; `key` is where it stands."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name in _IMPORTING_KEYS or not _NAME.fullmatch(name):
                yield name
            yield from _texts(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, key)
    elif isinstance(value, str) and key in _JSON_KEYS:
        yield from _texts(json.loads(value))
    elif isinstance(value, str) and key not in _FREE_KEYS:
        if key == "expr_str":
            is_known = _is_arithmetic(value)
        else:
            is_known = (_OPERATOR if key in _OPERATOR_KEYS else _NAME).fullmatch(value) is not None
        if not is_known:
            yield value


def _is_arithmetic(text: str) -> bool:
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError):
        return False
    nodes = list(ast.walk(tree))
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    names = {id(node.args[0]) for node in calls if node.args and _called(node) in _NAMED}
    return (
        all(isinstance(node, _SYNTAX) for node in nodes)
        and all(_called(node) in _FUNCTIONS for node in calls)
        # Any other function would evaluate a text that it is given.
        and all(id(node) in names and re.fullmatch(r"[\w.+-]+", node.value)
                for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))
    )


def _called(call: ast.Call) -> str | None:
    return call.func.id if isinstance(call.func, ast.Name) else None
