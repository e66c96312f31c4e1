"""Module scopes and provenance of the nodes of a Program.

A node's scope is the path of the module that called its operator (`model.layers.3.mlp.down_proj`);
its provenance is `node.meta["custom"]`: `from`, the operators of the first export that it stands for, and
`rules`, the rewrites that made it.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from torch.fx import Node

ModuleStack = dict[str, tuple[str, Any]]
"""`node.meta["nn_module_stack"]`: from the root to the innermost module, each a pair of path and class name."""


_NO_MODULE = "_empty_nn_module_stack_from_metadata_hook"
"""What torch.export writes for an operator that no module called."""


def scope(node: Node) -> str:
    """Path of the innermost module that `node` belongs to; empty for the root."""
    stack = node.meta.get("nn_module_stack")
    return str(list(stack.values())[-1][0]) if stack else ""


def canonical_stack(stack: ModuleStack) -> ModuleStack:
    """`stack` with keys that depend on the paths alone: an export adds a prefix to them each time."""
    entries = [(path, _class_name(kind)) for path, kind in stack.values() if path != _NO_MODULE]
    return {f"L__self__{path}": (path, kind) for path, kind in entries or [("", "")]}


def _class_name(kind: Any) -> str:
    return kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"


def provenance(node: Node) -> dict[str, list[str]]:
    """A copy of the provenance of `node`; a node without one stands for itself.

    Exporting again adds keys of its own to `custom`, which are left out.
    """
    custom = node.meta.get("custom", {})
    return {"from": list(custom.get("from", (node.name,))), "rules": list(custom.get("rules", ()))}


def smallest_scope(nodes: Iterable[Node]) -> ModuleStack:
    """The module stack of the smallest scope that contains all `nodes`; the root's if there are none."""
    stacks = [list(canonical_stack(node.meta["nn_module_stack"]).items()) for node in nodes
              if node.meta.get("nn_module_stack")]
    if not stacks:
        return {"L__self__": ("", "")}
    shared = []
    for entries in zip(*stacks, strict=False):
        if any(entry[0] != entries[0][0] for entry in entries):
            break
        shared.append(entries[0])
    return dict(shared) if shared else {"L__self__": ("", "")}


def adopt(node: Node, originals: Sequence[Node], rule: str | None = None) -> None:
    """Give a new node the smallest scope and the united provenance of the nodes that it stands for.

    Args:
        node: a node that a rewrite or the quantizer created.
        originals: the nodes of the old graph whose work it does, at least one of them with a scope.
        rule: name of the rewrite rule, if one made it.
    """
    node.meta["nn_module_stack"] = smallest_scope(originals)
    histories = [provenance(original) for original in originals if original.op == "call_function"]
    sources = dict.fromkeys(source for history in histories for source in history["from"])
    rules = dict.fromkeys(name for history in histories for name in history["rules"])
    if rule is not None:
        rules[rule] = None
    node.meta["custom"] = {"from": list(sources), "rules": list(rules)}
