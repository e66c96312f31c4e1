"""The vector spaces of a model that can be rotated, found by running it once."""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from edgewright.aq.observe import observed
from edgewright.aq.propagation import mapping, reads_values
from edgewright.aq.rotation.passage import Operation, Refused
from edgewright.aq.rotation.spaces import Gain, Reader, Space, Vector, Writer
from edgewright.aq.structure import Part
from edgewright.models.quantized import refusal


def discover(model: nn.Module, run: Callable[[], Any]) -> list[Space]:
    """All spaces of `model`, in order of execution, from one call of `run`, which runs it without gradients.

    Each layer, embedding and other parameter that is added to a vector writes a space; spaces whose vectors are
    added are one. What cannot be rotated is not free, with the reason.
    """
    tracer = _Tracer(model)
    with observed(tracer.layers, tracer.enter, tracer.leave), torch.no_grad(), tracer:
        output = run()
    return tracer.spaces(output)


class _Tracer(TorchDispatchMode):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.layers = {name: module for name, module in model.named_modules() if refusal(module) is None}
        self.names: dict[int, str] = {id(parameter): name for name, parameter in model.named_parameters()}
        self.owned: dict[int, list[str]] = {}
        for name, module in self.layers.items():
            for parameter in module.parameters(recurse=False):
                self.owned.setdefault(id(parameter), []).append(name)
        self.calls: dict[str, int] = {}
        self.written: dict[str, list[Space]] = {}
        self.read: dict[str, list[Space]] = {}
        self.leaves: dict[int, Space] = {}
        self.all: list[Space] = []
        self.gains: dict[int, list[tuple[Gain, Space]]] = {}
        self.misused: dict[str, str] = {}
        self.vectors: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
        self.derived: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
        self.inside = False

    def enter(self, name: str, x: Tensor) -> None:
        self.inside = True
        self.calls[name] = self.calls.get(name, 0) + 1
        vector = self.vector(x)
        if vector is None:
            return
        space, module = vector.space.root, self.layers[name]
        self.read.setdefault(name, []).append(space)
        channels = mapping(vector.label, 1 if isinstance(module, nn.Conv2d) else -1)
        if channels is None or vector.is_square:
            space.refuse(f"{name}, where its channels mix", vector.label)
        elif isinstance(module, nn.Conv2d) and (module.groups > 1 or (vector.gain and vector.gain.shift is not None)):
            space.refuse(f"{name}, a convolution of groups of channels or after a shift", vector.label)
        else:
            space.readers.append(Reader(name, channels, vector.gain))
            if vector.gain is not None:
                self.gains.setdefault(id(vector.gain.part.tensor), []).append((vector.gain, space))

    def leave(self, name: str, output: Tensor) -> None:
        self.inside = False
        module = self.layers[name]
        axis = 1 if isinstance(module, nn.Conv2d) else output.ndim - 1
        space = self.space(output.shape[axis])
        space.writers += [Writer(name, parameter, 0) for parameter in module.parameters(recurse=False)]
        self.written.setdefault(name, []).append(space)
        if isinstance(module, nn.Conv2d) and module.groups > 1:
            space.refuse(f"{name}, a convolution of groups of channels")
        self.vectors[output] = Vector(space, _counted(output, axis))

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        name = func.overloadpacket.__name__
        if not self.inside and reads_values(name):
            self.record(func, name, args, kwargs, output)
        return output

    def record(self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        if name == "embedding" and id(args[0]) in self.names:
            self.vectors[output] = Vector(self.leaf(args[0]), _counted(output, output.ndim - 1))
            return
        for value in tree_leaves((args, kwargs)):
            for owner in self.owned.get(id(value), ()):
                self.misused.setdefault(owner, name)
        if name in {"_to_copy", "add"} and (part := self.gain(args[0])) is not None:
            other = args[1] if name == "add" else 0.0
            if not isinstance(other, Tensor):
                self.derived[output] = Part(part.tensor, part.offset + float(other))
                return
        operation = Operation(func, name, args, kwargs, output, self.vector, self.gain, self.name_of)
        vectors = operation.vectors()
        if not vectors:
            return
        passed = []
        try:
            passed = operation.passed()
        except Refused as refused:
            for vector in vectors:
                vector.space.root.refuse(str(refused), vector.label)
        for value, vector in passed:
            self.vectors[value] = vector
        for vector in operation.weighing():
            vector.space.root.refuse(f"{name}, as weights of a sum", vector.label)

    def vector(self, value: Any) -> Vector | None:
        """What a tensor holds; a parameter with more than one dimension is a writer as soon as it is asked for."""
        if not isinstance(value, Tensor):
            return None
        if isinstance(value, nn.Parameter) and value.ndim > 1 and id(value) in self.names:
            return Vector(self.leaf(value), _counted(value, value.ndim - 1))
        return cast("Vector | None", self.vectors.get(value))

    def gain(self, value: Any) -> Part | None:
        if isinstance(value, nn.Parameter) and value.ndim == 1 and id(value) in self.names:
            return None if id(value) in self.owned else Part(value)
        return cast("Part | None", self.derived.get(value)) if isinstance(value, Tensor) else None

    def name_of(self, parameter: nn.Parameter) -> str:
        return self.names[id(parameter)]

    def space(self, width: int) -> Space:
        self.all.append(Space(torch.ones(width, dtype=torch.bool), width))
        return self.all[-1]

    def leaf(self, parameter: nn.Parameter) -> Space:
        """The space that a parameter which belongs to no layer, or is shared with one, writes."""
        if id(parameter) not in self.leaves:
            space = self.leaves[id(parameter)] = self.space(parameter.shape[-1])
            space.writers.append(Writer(self.name_of(parameter), parameter, parameter.ndim - 1))
        return self.leaves[id(parameter)].root

    def spaces(self, output: Any) -> list[Space]:
        for value in tree_leaves(output):
            if (vector := self.vector(value)) is not None:
                vector.space.root.refuse("the output of the model", vector.label)
        twice = {name: "which is called more than once" for name, count in self.calls.items() if count > 1}
        shared = [names for names in self.owned.values() if len(names) > 1]
        twice |= {name: f"which shares its weight with {names[0]}" for names in shared for name in names}
        twice |= {name: f"whose weight '{operator}' uses too" for name, operator in self.misused.items()}
        for name, reason in twice.items():
            for space in (*self.read.get(name, ()), *self.written.get(name, ())):
                space.root.refuse(f"{name}, {reason}")
        for uses in self.gains.values():
            if len({id(gain) for gain, _ in uses}) > 1:
                for gain, space in uses:
                    space.root.refuse(f"{gain.name}, which is used more than once")
        roots = [space for space in self.all if space.root is space]
        for space in roots:
            space.settle()
        return roots


def _counted(value: Tensor, axis: int) -> Tensor:
    """Channel numbers along an axis, int32, of the shape of `value`."""
    shape = [1] * value.ndim
    shape[axis] = -1
    return torch.arange(value.shape[axis], dtype=torch.int32).reshape(shape).expand(value.shape)
