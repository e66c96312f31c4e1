"""Open a Program for editing and close it again."""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from edgewright.errors import InputError
from edgewright.ir.canonical import canonicalize, example_inputs
from edgewright.ir.scope import provenance

_WANTED = "edgewright.wanted_names"
"""Key of `module.meta`: the name wanted for each constant whose name was taken."""


def unlift(program: ExportedProgram) -> GraphModule:
    """The Program as a graph module: parameters and constants are `get_attr` nodes, placeholders are user inputs."""
    module = cast(GraphModule, program.module(check_guards=False))
    for node in module.graph.nodes:
        # An export of the module writes into these dictionaries, which the program would share.
        if "custom" in node.meta:
            node.meta["custom"] = provenance(node)
    return module


def relift(module: GraphModule, program: ExportedProgram) -> ExportedProgram:
    """The edited `module` as a canonical Program with the inputs and the dynamic shapes of `program`."""
    module.graph.eliminate_dead_code()
    _drop_unused(module)
    _restore_names(module)
    module.recompile()
    inputs, dynamic = example_inputs(program)
    with torch.no_grad():
        edited = torch.export.export(module, inputs, dynamic_shapes=dynamic)
    return canonicalize(edited)


def specialize(
    program: ExportedProgram, batch: int, edit: Callable[[GraphModule], None] | None = None
) -> ExportedProgram:
    """The program for one batch size, as a toolchain lowers it: exported again, not canonical.

    Args:
        program: a Program.
        batch: samples that the compiled artifact takes at once.
        edit: changes the unlifted graph in place; what it writes into `node.meta["custom"]` is kept.

    Raises:
        InputError: the Program was exported for another, fixed, batch size.
    """
    inputs, dynamic = example_inputs(program, batch)
    fixed = {int(value.shape[0]) for value in inputs if value.dim()} - {batch}
    if fixed and not any(dynamic):
        raise InputError(f"the program has the fixed batch size {fixed.pop()}: set export.batch to it")
    module = unlift(program)
    if edit is not None:
        edit(module)
        module.graph.eliminate_dead_code()
        module.recompile()
    with torch.no_grad():
        return torch.export.export(module, inputs)


def tensor_of(module: GraphModule, node: Node) -> torch.Tensor:
    """The tensor that a `get_attr` node reads."""
    value: Any = module
    for part in str(node.target).split("."):
        value = getattr(value, part)
    return cast(torch.Tensor, value).detach()


def constant(module: GraphModule, tensor: torch.Tensor, hint: str, before: Node) -> Node:
    """Register `tensor` as a buffer and return a `get_attr` node for it, inserted ahead of `before`.

    Args:
        module: an unlifted Program.
        tensor: the value; it is detached and made contiguous.
        hint: the dotted name wanted, `conv1.weight`; where it is taken a number is added, which `relift` takes
            off again when the tensor of that name is gone.
        before: the node that the new node precedes.
    """
    taken = set(_attributes(module))
    name, number = hint, 0
    while name in taken or _is_module(module, name):
        number += 1
        name = f"{hint}_{number}"
    *path, leaf = name.split(".")
    owner: torch.nn.Module = module
    for part in path:
        if not hasattr(owner, part):
            owner.add_module(part, torch.nn.Module())
        owner = getattr(owner, part)
    value = tensor.detach().contiguous()
    owner.register_buffer(leaf, value)
    if name != hint:
        module.meta.setdefault(_WANTED, {})[name] = hint
    with module.graph.inserting_before(before):
        node = module.graph.get_attr(name)
    fake_mode = next((n.meta["val"].fake_mode for n in module.graph.nodes
                      if isinstance(n.meta.get("val"), torch._subclasses.FakeTensor)), None)
    node.meta["val"] = fake_mode.from_tensor(value, static_shapes=True) if fake_mode is not None else value
    return node


def _is_module(module: GraphModule, name: str) -> bool:
    """Whether `name` is a submodule, or another attribute that a module has, like `to`."""
    owner, _, leaf = name.rpartition(".")
    try:
        holder = module.get_submodule(owner)
    except AttributeError:
        holder = torch.nn.Module()
    return hasattr(holder, leaf)


def _attributes(module: GraphModule) -> list[str]:
    return [name for name, _ in (*module.named_parameters(remove_duplicate=False),
                                 *module.named_buffers(remove_duplicate=False))]


def _drop_unused(module: GraphModule) -> None:
    used = {str(node.target) for node in module.graph.nodes if node.op == "get_attr"}
    for name in _attributes(module):
        if name not in used:
            owner, _, leaf = name.rpartition(".")
            delattr(module.get_submodule(owner), leaf)


def _restore_names(module: GraphModule) -> None:
    """Give a constant that replaced a parameter the parameter's name, now that the old one is gone."""
    wanted = module.meta.pop(_WANTED, {})
    names = set(_attributes(module))
    for old in [str(node.target) for node in module.graph.nodes if node.op == "get_attr"]:
        new = wanted.get(old)
        if new is None or old not in names or new in names or _is_module(module, new):
            continue
        owner, _, leaf = old.rpartition(".")
        holder = module.get_submodule(owner)
        value = getattr(holder, leaf)
        delattr(holder, leaf)
        holder.register_buffer(new.rpartition(".")[2], value)
        for user in module.graph.nodes:
            if user.op == "get_attr" and user.target == old:
                user.target = new
        names = (names - {old}) | {new}
