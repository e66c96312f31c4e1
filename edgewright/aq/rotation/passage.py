"""Which operators commute with a rotation of channels, and what becomes of the channels.

The labels say which channel each element is, as in `edgewright.aq.propagation`. An operator commutes when rotating
the runs of channels before it equals rotating them after it: sums, products with what is the same for a whole
run, the sums over values of attention. The sum of the squares of a run does not change at all, and its mean not
under a rotation that leaves the vector of ones as it is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from edgewright.aq.propagation import MOVING, constant, moved, weighted_sum
from edgewright.aq.rotation.spaces import Gain, Space, Vector
from edgewright.aq.structure import Part

Vectors = list[tuple[Tensor, Vector]]

_NORMS = frozenset({"native_layer_norm", "_fused_rms_norm", "rms_norm"})
_MOMENTS = frozenset({"mean", "sum", "var", "std", "var_mean", "std_mean", "linalg_vector_norm"})
_CENTRED = frozenset({"mean", "sum", "var", "std", "var_mean", "std_mean"})


class Refused(Exception):
    """The operator does not commute with a rotation of the channels that it reads."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of an operator.

    Attributes:
        function: the ATen overload; `name` is its base name.
        args, kwargs, output: of the call.
        vector: the vectors that a tensor holds, or None.
        gain: the gain that a tensor is: a one-dimensional parameter, or such a one plus a number.
    """

    function: Callable[..., Any]
    name: str
    args: Sequence[Any]
    kwargs: dict[str, Any]
    output: Any
    vector: Callable[[Any], Vector | None]
    gain: Callable[[Any], Part | None]
    name_of: Callable[[nn.Parameter], str]
    _runs: list[tuple[Space, int]] = field(default_factory=list)

    def passed(self) -> Vectors:
        """The outputs that hold vectors again; their spaces are restricted to runs that it treats alike.

        Raises:
            Refused: a rotation of what it reads would change more than the same rotation of what it gives.
        """
        passed = self._passed()
        for space, length in self._runs:
            space.root.restrict(length)
        return passed

    def _passed(self) -> Vectors:
        if self.name in MOVING:
            return self._moved()
        if self.name in _NORMS:
            return self._norm()
        if self._value is not None:
            return self._attention()
        name = self.name.removesuffix("_")
        first, second = self._operands()
        if name in {"neg", "_to_copy"} and first is not None and self.output.is_floating_point():
            root = first.space.root
            root.epsilon = max(root.epsilon, torch.finfo(self.output.dtype).eps)
            return [(self.output, first)]
        if name in {"pow", "square"} and first is not None and (name == "square" or self.args[1] == 2):
            return self._squared(first)
        if self.name in _MOMENTS and first is not None:
            return self._reduced(first)
        if name in {"mul", "div"}:
            return self._multiplied(name, first, second)
        if name in {"add", "sub"}:
            return self._added(first, second)
        raise Refused(self.name)

    def _refuse(self) -> NoReturn:
        raise Refused(self.name)

    def _operands(self) -> tuple[Vector | None, Vector | None]:
        found = [self.vector(value) for value in self.args[:2]]
        return (found[0] if found else None), (found[1] if len(found) > 1 else None)

    def _run(self, vector: Vector) -> int:
        """The axis of the vector, counted from the end; its length is one that runs must divide."""
        for axis in range(-1, -vector.label.ndim - 1, -1):
            size = int(vector.label.shape[axis])
            if size > 1 and bool((vector.label.diff(dim=axis) == 1).all()):
                if bool((vector.label.select(axis, 0) % size == 0).all()):
                    self._runs.append((vector.space, size))
                    return axis
                break
        raise Refused(self.name)

    def _plain(self, vector: Vector) -> None:
        if vector.gain is not None or vector.is_square:
            raise Refused(self.name if vector.gain is None else f"{self.name} after {vector.gain.name}")

    def _moved(self) -> Vectors:
        given = self.args[0] if isinstance(self.args[0], (list, tuple)) else [self.args[0]]
        vectors = [self.vector(value) for value in given]
        first = vectors[0]
        if first is None or any(item is None or item.gain is not first.gain or item.is_square for item in vectors[1:]):
            self._refuse()
        labels = {id(value): item.label for value, item in zip(given, vectors, strict=True) if item is not None}
        results = moved(
            self.function, self.name, self.args, self.kwargs, self.output, lambda value: labels.get(id(value))
        )
        if results is None:
            self._refuse()
        for item in vectors:
            assert item is not None
            first.space.root.join(item.space.root)
        return [(value, replace(first, label=label)) for value, label in results]

    def _norm(self) -> Vectors:
        first = self.vector(self.args[0])
        if first is None:
            self._refuse()
        self._plain(first)
        axis = self._run(first)
        size = first.label.shape[axis]
        if axis != -1 or list(self.args[1]) != [size]:
            self._refuse()
        is_centred = self.name == "native_layer_norm"
        first.space.root.keeps_ones |= is_centred
        weight, bias = self.args[2], self.args[3] if is_centred else None
        if weight is None:
            return [(self._first_output(), first)] if bias is None else self._refuse()
        return [(self._first_output(), replace(first, gain=self._known(weight, bias)))]

    def _known(self, weight: Tensor, bias: Any) -> Gain:
        part = self.gain(weight)
        if part is None or not (bias is None or isinstance(bias, nn.Parameter)):
            self._refuse()
        return Gain(self.name_of(part.tensor), part, bias)

    def _first_output(self) -> Tensor:
        return self.output if isinstance(self.output, Tensor) else self.output[0]

    def _attention(self) -> Vectors:
        """Values take part in the sum; what else is a vector decides its weights, and is refused by the caller."""
        vector = self.vector(self.args[self._value or 0])
        if vector is None or vector.is_square or vector.gain is not None:
            self._refuse()
        mixed = weighted_sum(vector.label, self.output)
        if mixed is None or self._run(vector) != -1:
            self._refuse()
        return [(mixed[0], replace(vector, label=mixed[1]))]

    def _squared(self, vector: Vector) -> Vectors:
        self._plain(vector)
        if self.name.endswith("_"):
            self._refuse()
        return [(self.output, replace(vector, is_square=True))]

    def _reduced(self, vector: Vector) -> Vectors:
        if self.name == "linalg_vector_norm":
            dims = self.args[2] if len(self.args) > 2 and (self.args[1] == 2) else None
        else:
            dims = self.args[1] if len(self.args) > 1 else self.kwargs.get("dim")
        if vector.gain is not None or not isinstance(dims, (list, tuple)) or not dims:
            self._refuse()
        axis, places = self._run(vector), [item if item < 0 else item - vector.label.ndim for item in dims]
        if places == [axis]:
            if vector.is_square and self.name not in {"mean", "sum"}:
                self._refuse()
            vector.space.root.keeps_ones |= not vector.is_square and self.name in _CENTRED
            return []
        label = constant(vector.label, tuple(places))
        if label is None or self.name not in {"mean", "sum"} or vector.is_square:
            self._refuse()
        return [(self.output, replace(vector, label=label.reshape(self.output.shape)))]

    def _multiplied(self, name: str, first: Vector | None, second: Vector | None) -> Vectors:
        if first is not None and second is not None:
            if name == "mul" and self.args[0] is self.args[1]:
                return self._squared(first)
            self._refuse()
        vector, other = (first, self.args[1]) if first is not None else (second, self.args[0])
        if vector is None or (name == "div" and first is None):
            self._refuse()
        part = self.gain(other) if name == "mul" else None
        if part is not None and part.tensor.numel() > 1:
            self._plain(vector)
            if self._run(vector) != -1 or len(part.tensor) != vector.label.shape[-1] or self.name.endswith("_"):
                self._refuse()
            return [(self.output, replace(vector, gain=Gain(self.name_of(part.tensor), part)))]
        if not self._is_uniform(vector, other):
            self._refuse()
        return [(self.output, replace(vector, label=vector.label.expand(self.output.shape)))]

    def _is_uniform(self, vector: Vector, other: Any) -> bool:
        """Whether the other operand is the same for all channels of a run."""
        if not isinstance(other, Tensor) or other.numel() == 1:
            return True
        axis = self._run(vector)
        return -axis > other.ndim or int(other.shape[axis]) == 1 or other.stride(axis) == 0

    def _added(self, first: Vector | None, second: Vector | None) -> Vectors:
        if first is not None and second is not None:
            self._plain(first)
            self._plain(second)
            shape = self.output.shape
            if not bool((first.label.expand(shape) == second.label.expand(shape)).all()):
                self._refuse()
            first.space.root.join(second.space.root)
            return [(self.output, replace(first, label=first.label.expand(shape)))]
        vector, other = (first, self.args[1]) if first is not None else (second, self.args[0])
        assert vector is not None
        shift = self.gain(other)
        gain = vector.gain
        if gain is not None and shift is not None and gain.shift is None and not shift.offset and self.name == "add":
            if len(shift.tensor) != len(gain.part.tensor) or self._run(vector) != -1:
                self._refuse()
            gain.shift = shift.tensor
            return [(self.output, vector)]
        self._plain(vector)
        if not self._is_uniform(vector, other):
            self._refuse()
        vector.space.root.keeps_ones = True
        return [(self.output, replace(vector, label=vector.label.expand(self.output.shape)))]

    @property
    def _value(self) -> int | None:
        """The argument that the operator sums over, weighted by what it makes of the others."""
        return 1 if self.name == "bmm" else 2 if self.name.startswith("_scaled_dot_product") else None

    def weighing(self) -> list[Vector]:
        """The vectors that it makes the weights of a sum of."""
        if self._value is None:
            return []
        found = [self.vector(value) for index, value in enumerate(self.args) if index != self._value]
        return [item for item in found if item is not None]

    def vectors(self) -> list[Vector]:
        """All vectors that it reads."""
        found = map(self.vector, tree_leaves((self.args, self.kwargs)))
        return [item for item in found if item is not None]
