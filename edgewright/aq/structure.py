"""The structure of a model, found by running it once: what feeds what, not which class it is.

Every Linear and Conv2d, and every operator that multiplies by a vector of the model (the scale of a
normalization, however its class spells it), is a producer. The labels of `propagation` follow its channels
through views, rotary products, attention and gates; where they arrive at Linear or Conv2d modules and
nowhere else, producer and consumers are a pair: a factor taken out of the one can be put into the others.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from edgewright.aq.observe import observed
from edgewright.aq.propagation import FREE, mapping, propagate, reads_values
from edgewright.memory import release
from edgewright.models.quantized import refusal

_CALLS = 16
"""Layers after which freed memory goes back to the system: glibc hardly reuses it while labels come and go."""


@dataclass(frozen=True, slots=True)
class Part:
    """A tensor of a producer whose first dimension is its channels; its effect is `tensor + offset`."""

    tensor: nn.Parameter
    offset: float = 0.0


@dataclass(frozen=True, slots=True)
class Consumer:
    """A layer, and the producer's channel of each of its input channels (int64 [in]; -1: always zero)."""

    layer: str
    channels: Tensor


@dataclass(frozen=True, slots=True)
class Pair:
    """A producer and all that reads it.

    Attributes:
        producer: name of a module's parameter (`model.norm.weight`) or of a layer.
        parts: its tensors.
        consumers: layers, in order of execution.
        free: bool [channels], those that nothing but the consumers reads; of a fused projection for query, key
            and value these are the values. Only they can be scaled.
    """

    producer: str
    parts: tuple[Part, ...]
    consumers: tuple[Consumer, ...]
    free: Tensor

    @property
    def channels(self) -> int:
        """Channels of the producer."""
        return int(self.parts[0].tensor.shape[0])

    def scale(self, factors: Tensor, model: nn.Module) -> None:
        """Divide the producer's channels by `factors` [channels] and multiply the weights of its consumers by them.

        Factors of channels that are not free must be 1.

        The function of the model stays as it is.
        """
        for part in self.parts:
            divisor = factors.to(part.tensor).reshape(-1, *(1,) * (part.tensor.ndim - 1))
            part.tensor.data = (part.tensor.data + part.offset) / divisor - part.offset
        for consumer in self.consumers:
            module = model.get_submodule(consumer.layer)
            weight = cast(Tensor, module.weight)
            weight.data = weight.data * spread(factors, consumer, module).to(weight)


def spread(factors: Tensor, consumer: Consumer, module: nn.Module) -> Tensor:
    """`factors` [..., channels] so that they broadcast against the weight of a consumer, dimension by dimension."""
    known = consumer.channels.clamp(min=0)
    own = torch.where(consumer.channels == FREE, 1.0, factors[..., known])
    if not isinstance(module, nn.Conv2d):
        return own.unsqueeze(-2)
    rows = module.out_channels // module.groups
    return own.reshape(*own.shape[:-1], module.groups, -1).repeat_interleave(rows, -2)[..., None, None]


@dataclass(frozen=True, slots=True)
class Structure:
    """What one run showed.

    Attributes:
        order: layers in order of their first call.
        shared: names of Linear layers that read the same tensor.
        pairs: producers with their consumers, in order of execution.
        unpaired: for each layer without a pair, why.
        repeated: layers that were called more than once.
        vectors: input vectors that the layer with the fewest got from the sample; positions of an image count.
    """

    order: tuple[str, ...]
    shared: tuple[tuple[str, ...], ...]
    pairs: tuple[Pair, ...]
    unpaired: Mapping[str, str]
    repeated: frozenset[str]
    vectors: int

    def within(self, owns: Callable[[str], bool]) -> "Structure":
        """The structure of the part of the model whose modules and parameters `owns` says yes to."""
        pairs, unpaired = [], {name: reason for name, reason in self.unpaired.items() if owns(name)}
        for pair in self.pairs:
            names = [pair.producer, *(consumer.layer for consumer in pair.consumers)]
            outside = [name for name in names if not owns(name)]
            if not outside:
                pairs.append(pair)
            else:
                reason = f"{pair.producer} before it is paired across blocks, with {outside[0]}"
                unpaired |= {name: reason for name in names[1:] if owns(name)}
        order = tuple(name for name in self.order if owns(name))
        repeated = frozenset(filter(owns, self.repeated))
        return Structure(order, self.shared, tuple(pairs), unpaired, repeated, self.vectors)


def trace(model: nn.Module, run: Callable[[], Any]) -> Structure:
    """Find the structure of `model` from one call of `run`, which runs it on one sample without gradients."""
    tracer = _Tracer(model)
    with observed(tracer.layers, tracer.enter, tracer.leave), torch.no_grad(), tracer:
        output = run()
    tracer.block_all(output, "the output of the model")
    return tracer.structure()


@dataclass(slots=True)
class _Producer:
    parts: tuple[Part, ...]
    free: Tensor
    consumers: list[Consumer] = field(default_factory=list)
    blocked: str | None = None

    def block(self, reason: str, label: Tensor | None = None) -> None:
        """Mark the channels in `label`, or all, as read by something else than a layer."""
        if label is None:
            self.free[:] = False
        else:
            self.free[label[label != FREE].unique().long()] = False
        self.blocked = self.blocked or reason


class _Tracer(TorchDispatchMode):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.layers = {name: module for name, module in model.named_modules() if refusal(module) is None}
        self.owners: dict[int, str] = {}
        self.vectors: dict[int, str] = {}
        self.producers: dict[str, _Producer] = {}
        self.calls: dict[str, int] = {}
        self.seen: dict[str, int] = {}
        self.groups: list[list[str]] = []
        self.readers: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
        self.labels: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
        self.derived: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
        self.misused: dict[str, str] = {}
        self.inside = False
        for name, module in self.layers.items():
            for parameter in module.parameters(recurse=False):
                other = self.owners.setdefault(id(parameter), name)
                if other != name:
                    self.misused |= {name: other, other: name}
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1 and id(parameter) not in self.owners:
                self.vectors[id(parameter)] = name

    def enter(self, name: str, x: Tensor) -> None:
        self.inside = True
        self.calls[name] = self.calls.get(name, 0) + 1
        if len(self.calls) % _CALLS == 0:
            release()
        # The version tells what was written in place since.
        by_version = self.readers.setdefault(x, {})
        if x._version not in by_version:
            by_version[x._version] = []
            self.groups.append(by_version[x._version])
        by_version[x._version].append(name)
        axis = 1 if isinstance(self.layers[name], nn.Conv2d) else -1
        for producer, label in self.labels.get(x, {}).items():
            channels = mapping(label, axis)
            if channels is None:
                self.producers[producer].block(f"{name}, where its channels mix", label)
            else:
                self.producers[producer].consumers.append(Consumer(name, channels))

    def leave(self, name: str, output: Tensor) -> None:
        self.inside = False
        parts = tuple(Part(item) for item in self.layers[name].parameters(recurse=False))
        axis = 1 if isinstance(self.layers[name], nn.Conv2d) else -1
        self.seen[name] = self.seen.get(name, 0) + output.numel() // output.shape[axis]
        self.produce(name, parts, output, axis)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        operator = func.overloadpacket.__name__
        if not self.inside and reads_values(operator):
            self.record(func, operator, args, kwargs, output)
        return output

    def record(self, func: Any, operator: str, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        tensors = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)]
        for value in tensors:
            if id(value) in self.owners:
                self.misused.setdefault(self.owners[id(value)], operator)
        if self.record_vector(operator, args, output):
            return
        for producer in {name: None for value in tensors for name in self.labels.get(value, {})}:
            own = partial(self.label, producer)
            passage = propagate(func, operator, args, kwargs, output, own)
            for label in passage.stopped:
                self.producers[producer].block(operator, label)
            for tensor, label in passage.outputs:
                self.labels.setdefault(tensor, {})[producer] = label

    def label(self, producer: str, value: Tensor) -> Tensor | None:
        return cast("Tensor | None", self.labels.get(value, {}).get(producer))

    def record_vector(self, operator: str, args: tuple[Any, ...], output: Any) -> bool:
        """Whether the operator is a producer: it multiplies by a vector of the model."""
        found = [(value, self.vector(value)) for value in args if isinstance(value, Tensor)]
        vectors = [(value, known) for value, known in found if known is not None]
        if not vectors:
            return False
        others = [value for value, known in found if known is None]
        name, offset, parameter = vectors[0][1]
        if operator in {"_to_copy", "add"} and not others and len(vectors) == 1:
            shift = float(args[1]) if operator == "add" else 0.0
            self.derived[output] = (name, offset + shift, parameter)
            return True
        first = output if isinstance(output, Tensor) else output[0]
        is_norm = "layer_norm" in operator or "rms_norm" in operator
        is_channel = "batch_norm" in operator or "group_norm" in operator
        is_product = operator == "mul" and first.ndim > 1 and first.shape[-1] == parameter.shape[0]
        if is_norm or is_channel or is_product:
            self.block_all(others, operator)
            parts = tuple(Part(item[1][2], item[1][1]) for item in vectors)
            self.produce(name, parts, first, 1 if is_channel else -1)
            return True
        for _, (other, _, _) in vectors:
            self.misused.setdefault(other, operator)
        return False

    def vector(self, value: Tensor) -> tuple[str, float, nn.Parameter] | None:
        if id(value) in self.vectors:
            return self.vectors[id(value)], 0.0, cast(nn.Parameter, value)
        return cast("tuple[str, float, nn.Parameter] | None", self.derived.get(value))

    def produce(self, name: str, parts: tuple[Part, ...], output: Tensor, axis: int) -> None:
        if name in self.producers:
            self.producers[name].block("a second use of its weights")
        self.producers.setdefault(name, _Producer(parts, torch.ones(output.shape[axis], dtype=torch.bool)))
        shape = [1] * output.ndim
        shape[axis] = -1
        label = torch.arange(output.shape[axis], dtype=torch.int32).reshape(shape).expand(output.shape)
        self.labels[output] = {name: label}

    def block_all(self, values: Any, reason: str) -> None:
        for value in tree_leaves(values):
            if isinstance(value, Tensor):
                for producer, label in self.labels.get(value, {}).items():
                    self.producers[producer].block(reason, label)

    def structure(self) -> Structure:
        twice = {name for name, count in self.calls.items() if count > 1}
        for name, producer in self.producers.items():
            if name in self.misused:
                producer.block(f"'{self.misused[name]}', which uses its weights a second time")
            for consumer in producer.consumers:
                if consumer.layer in twice:
                    producer.block(f"{consumer.layer}, which is called more than once", consumer.channels)
                elif consumer.layer in self.misused:
                    reason = f"{consumer.layer}, whose weight '{self.misused[consumer.layer]}' uses too"
                    producer.block(reason, consumer.channels)
        pairs = tuple(filter(None, (self.pair(name, producer) for name, producer in self.producers.items())))
        paired = {consumer.layer for pair in pairs for consumer in pair.consumers}
        reasons = {name: "no norm or layer before it can take its scale" for name in self.calls if name not in paired}
        for name, producer in self.producers.items():
            for consumer in producer.consumers:
                if consumer.layer in reasons:
                    reasons[consumer.layer] = f"{name} before it also feeds {producer.blocked}"
        reasons |= {name: f"'{self.misused[name]}' uses its weight too" for name in reasons if name in self.misused}
        is_linear = {name for name, module in self.layers.items() if isinstance(module, nn.Linear)} - twice
        groups = (tuple(name for name in names if name in is_linear) for names in self.groups)
        shared = tuple(names for names in groups if len(names) > 1)
        fewest = min(self.seen.values(), default=0)
        return Structure(tuple(self.calls), shared, pairs, reasons, frozenset(twice), fewest)

    def pair(self, name: str, producer: _Producer) -> Pair | None:
        known = ((item, item.channels[item.channels != FREE]) for item in producer.consumers)
        reached = [item for item, channels in known if bool(producer.free[channels].any())]
        return Pair(name, producer.parts, tuple(reached), producer.free) if reached else None
