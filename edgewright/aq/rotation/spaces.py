"""Vector spaces of a model: channels that some parameters write, and all that reads them."""

from dataclasses import dataclass, field
from math import gcd

import torch
from torch import Tensor, nn

from edgewright.aq.structure import Part


@dataclass(frozen=True, slots=True)
class Writer:
    """A tensor whose channels lie along `axis`: the weight or bias of a layer, an embedding, a class token."""

    owner: str
    tensor: nn.Parameter
    axis: int


@dataclass(slots=True, eq=False)
class Gain:
    """A vector that multiplies the channels before layers read them, and one that is added then: those of a norm."""

    name: str
    part: Part
    shift: nn.Parameter | None = None

    @property
    def value(self) -> Tensor:
        """What it multiplies by, [channels]."""
        return self.part.tensor.detach() + self.part.offset


@dataclass(frozen=True, slots=True)
class Vector:
    """An activation that holds vectors of a space.

    Attributes:
        space: use its `root`.
        label: the channel of each element, int32, -1 for zeros; of the shape of the activation.
        gain: what the channels were multiplied by last, or None.
        is_square: the elements are the squares of the channels.
    """

    space: "Space"
    label: Tensor
    gain: "Gain | None" = None
    is_square: bool = False


@dataclass(frozen=True, slots=True)
class Reader:
    """A layer, the space's channel of each of its input channels (int64 [in]), and the gain between the two."""

    layer: str
    channels: Tensor
    gain: Gain | None


@dataclass(slots=True, eq=False)
class Space:
    """Channels that everything but layers treats alike under a rotation of each run of `block` of them.

    Attributes:
        free: bool [width]; False for channels that something reads which a rotation would change.
        block: length of the runs that can be rotated.
        keeps_ones: whether the rotation must leave the vector of ones as it is.
        reason: why channels are not free, the first that was found.
        epsilon: that of the coarsest data type that the model itself casts vectors to; 0 where it casts none.
    """

    free: Tensor
    block: int
    keeps_ones: bool = False
    writers: list[Writer] = field(default_factory=list)
    readers: list[Reader] = field(default_factory=list)
    reason: str | None = None
    epsilon: float = 0.0
    _joined: "Space | None" = None

    @property
    def root(self) -> "Space":
        """The union that it has become part of, or itself."""
        return self if self._joined is None else self._joined.root

    @property
    def width(self) -> int:
        """Channels of the space."""
        return len(self.free)

    @property
    def gains(self) -> tuple[Gain, ...]:
        """The gains between the space and its readers."""
        return tuple({id(item.gain): item.gain for item in self.readers if item.gain is not None}.values())

    @property
    def is_useful(self) -> bool:
        """Whether there is something to rotate and somebody to undo it."""
        return self.block > 1 and any(bool(self.free[reader.channels].all()) for reader in self.readers)

    def refuse(self, reason: str, label: Tensor | None = None) -> None:
        """Mark the channels in `label`, or all, as not free; what it cannot tell apart goes with them."""
        if label is None:
            self.free[:] = False
        else:
            self.free[label[label >= 0].unique().long()] = False
        self.reason = self.reason or reason

    def join(self, other: "Space") -> None:
        """Become one with `other`: its vectors and this space's are added, and must be rotated alike."""
        if other is self:
            return
        other._joined = self
        self.writers += other.writers
        self.readers += other.readers
        self.keeps_ones |= other.keeps_ones
        self.epsilon = max(self.epsilon, other.epsilon)
        self.restrict(other.block)
        if self.width != other.width:
            self.refuse("a sum of vectors of two widths")
        elif other.reason is not None:
            self.free &= other.free
            self.reason = self.reason or other.reason

    def restrict(self, length: int) -> None:
        """Let rotations act on runs of at most `length`."""
        self.block = gcd(self.block, length)

    def settle(self) -> None:
        """Refuse readers that take runs apart, and with a channel its whole run, until nothing changes."""
        while True:
            before = int(self.free.sum())
            runs = self.free.reshape(-1, self.block)
            runs &= runs.all(1, keepdim=True)
            for reader in self.readers:
                if bool(self.free[reader.channels.clamp(min=0)].any()) and not self._is_whole(reader):
                    self.refuse(f"{reader.layer}, which reads a part of a run", reader.channels)
            if int(self.free.sum()) == before:
                return

    def _is_whole(self, reader: Reader) -> bool:
        if len(reader.channels) % self.block or not bool(self.free[reader.channels.clamp(min=0)].all()):
            return False
        runs = reader.channels.reshape(-1, self.block)
        expected = runs[:, :1] + torch.arange(self.block)
        return bool((runs == expected).all() and (runs[:, 0] % self.block == 0).all())
