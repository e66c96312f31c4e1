"""QuaRot: rotate activations, so that no channel stands out, and weights the other way round.

    (W Q) (Q^T x) = W x,    Q = diag(s) H / sqrt(n),    H H^T = n I, s random signs

R1 rotates the residual stream: rows of the embedding and all that is added to the stream on one side, inputs
of the layers that read it on the other. A norm commutes with it once its gain lies in the layers that it feeds; that
of a LayerNorm also subtracts the mean, so there Q = K diag(s) K^T / n with s_1 = 1 and K a Hadamard matrix
whose first column is 1: it leaves the vector of ones, and with it the mean, as it is, and no centring of the
writers is needed. R2 rotates the values of each head and the input of the output projection; the heads of a
group that share a value share its rotation. Before that the channels of the values are scaled so that none of them
is large on one side only, else R2 would spread the errors of the large ones over the small. Both lie in the weights
and cost nothing at run time.

R4, only where `online` asks for it, rotates the input of the layers of an MLP that write the residual stream. What
stands before them is no linear layer, so that no weight can take it: the model multiplies by the factors of a
Hadamard matrix at run time, and the notes count these products. R3 (queries and keys after the rotary embedding) is
not made: it serves a quantized key-value cache only, which no target here has.

Where the stream lies is found by running the model (`edgewright.aq.rotation.discover`). What something else than
a norm or a layer reads (a norm after a layer, as in Gemma 2) stays, with the reason. A head that shares the embedding's
weight gets its own, for only one of them takes the last norm's gain. A rotation changes all layers of its space,
whatever algorithms they name. The outputs are compared before and after; where they differ, all is taken back.

```yaml
aq:
  quarot-w4: {algorithms: [quarot, gptq], bits: 4, group: 32, options: {quarot: {seed: 0}}}
```
Ashkboos et al. 2024, QuaRot: Outlier-Free 4-Bit Inference in Rotated LLMs, arXiv:2404.00456, section 4.
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from edgewright.aq.block import Block
from edgewright.aq.contract import AlgorithmOptions, Applied, Skipped
from edgewright.aq.rotation.discover import discover
from edgewright.aq.rotation.fold import Fold
from edgewright.aq.rotation.online import counted, down_projections
from edgewright.aq.rotation.online import obstacle as online_obstacle
from edgewright.aq.rotation.spaces import Space
from edgewright.aq.statistics import Statistic
from edgewright.aq.structure import Pair
from edgewright.models.rotated import InputRotation
from edgewright.rotation.rotation import rotation

_TOLERANCE, _DOUBLE_TOLERANCE = 1e-4, 1e-9


class Options(AlgorithmOptions):
    """`seed` decides the signs; `residual`, `heads` and `online` choose R1, R2 and R4."""

    seed: int = Field(0, ge=0)
    residual: bool = True
    heads: bool = True
    online: bool = False


class Algorithm:
    """QuaRot's rotations."""

    scope: ClassVar[Literal["block", "model"]] = "model"
    statistics: ClassVar[frozenset[Statistic]] = frozenset()

    def __init__(self, options: Options) -> None:
        self.options = options

    def apply(self, block: Block, layers: Sequence[str]) -> Applied:
        """Rotate the spaces of the model that any of `layers` reads or writes."""
        with torch.no_grad():
            before = block.run(0)
            spaces = discover(block.model, lambda: block.run(0, torch.zeros(1, dtype=torch.int64)))
            reasons = dict.fromkeys(layers, "nothing that it reads or writes can be rotated")
            reasons |= {name: reason for name, reason in _reasons(spaces) if name in reasons}
            fold = Fold(block.model)
            chosen = [space for space in spaces if self._is_wanted(space, set(layers))]
            obstacles = {id(space): fold.obstacle(space) for space in chosen}
            for space in chosen:
                names = {name for name in _members(space) if name in reasons}
                reasons |= dict.fromkeys(names, obstacles[id(space)] or "")
            chosen = [space for space in chosen if obstacles[id(space)] is None]
            fold.untie(chosen)
            notes = {f"{name}: has its own weight now, no longer that of {other}": None
                     for name, other in fold.untied.items()}
            for index, space in enumerate(chosen):
                # A seed of its own for each, as far from those of other runs as 64 bits allow.
                seed = (self.options.seed * 0x9E3779B97F4A7C15 + index) % (1 << 63)
                turn = rotation(space.block, seed, space.keeps_ones)
                for pair in self._pairs(block, space):
                    fold.balance(pair)
                fold.rotate(space, turn)
                if turn.remainder > 1:
                    notes[f"no Hadamard matrix of order {space.block} is known here: a random orthogonal factor of"
                          f" order {turn.remainder} takes part"] = None
            rotations, unmade = self._online(block, spaces, layers, fold)
            notes |= dict.fromkeys((*counted(rotations), *unmade))
            block.changed()
            difference = _relative(block.run(0), before)
            if not difference <= _tolerance(before, chosen):
                fold.undo()
                return Applied((), tuple(Skipped(name, f"taken back: rotated, the model's output differs by "
                                                       f"{difference:.1e}") for name in layers))
        done = {name for space in chosen for name in _members(space)} | rotations.keys()
        left = (Skipped(name, reasons[name]) for name in layers if name not in done)
        return Applied(tuple(name for name in layers if name in done), tuple(left), tuple(notes))

    def _online(
        self, block: Block, spaces: Sequence[Space], layers: Sequence[str], fold: Fold
    ) -> tuple[dict[str, InputRotation], list[str]]:
        """The rotations that are made at run time, by layer, and why others are not."""
        found = down_projections(spaces, block.structure.order) if self.options.online else []
        obstacles = {name: online_obstacle(block.model, name) for name in found if name in layers}
        made = {name: fold.rotate_input(name, self.options.seed) for name in obstacles if obstacles[name] is None}
        unmade = [f"{name}: no online rotation: {reason}" for name, reason in obstacles.items() if reason is not None]
        if self.options.online and not obstacles:
            unmade.append("no online rotation: no layer of an MLP that writes the residual stream was found")
        return made, unmade

    @staticmethod
    def _pairs(block: Block, space: Space) -> list[Pair]:
        """Layers that write a space of heads, with its readers."""
        writers, readers = ({writer.owner for writer in space.writers}, {reader.layer for reader in space.readers})
        is_whole = space.block == space.width
        return [
            pair for pair in block.structure.pairs
            if not is_whole and pair.producer in writers and {item.layer for item in pair.consumers} <= readers
        ]

    def _is_wanted(self, space: Space, layers: set[str]) -> bool:
        is_whole = space.block == space.width
        asked = self.options.residual if is_whole else self.options.heads
        return asked and space.is_useful and not layers.isdisjoint(_members(space))


def _members(space: Space) -> Iterator[str]:
    """Names of what reads or writes the free channels of a space."""
    yield from (writer.owner for writer in space.writers)
    yield from (reader.layer for reader in space.readers if bool(space.free[reader.channels].all()))


def _reasons(spaces: Sequence[Space]) -> Iterator[tuple[str, str]]:
    """Why a layer stays as it is: what it writes cannot be rotated, or rather what it reads."""
    for space in spaces:
        if space.reason is not None:
            yield from ((item.owner, f"what it writes is read by {space.reason}") for item in space.writers)
    for space in spaces:
        if space.reason is not None:
            yield from ((item.layer, f"its input is also read by {space.reason}") for item in space.readers)


def _tolerance(output: Tensor, spaces: Sequence[Space]) -> float:
    """Relative; a model of float64 whose norms compute in float32 is held to what float32 allows."""
    coarsest = max((torch.finfo(output.dtype).eps, *(space.epsilon for space in spaces)))
    return _DOUBLE_TOLERANCE if coarsest <= torch.finfo(torch.float64).eps else _TOLERANCE


def _relative(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max() / other.abs().max().clamp(min=torch.finfo(other.dtype).tiny))
