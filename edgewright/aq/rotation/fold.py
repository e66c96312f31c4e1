"""Put the rotation of a space, and the gains of the norms in it, into the weights."""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from edgewright.aq.rotation.spaces import Gain, Reader, Space, Writer
from edgewright.aq.structure import Pair
from edgewright.models.rotated import InputRotation, RotatedLinear, behind_rotation, without_rotation
from edgewright.rotation.rotation import Rotation

_SMALLEST_GAIN = 1e-3
"""A shift is divided by its gain only where no gain is smaller than this share of the largest."""


class Fold:
    """Changes of weights that can be taken back.

    Attributes:
        untied: for each layer that shared its weight and got its own copy, the path of the other parameter.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.untied: dict[str, str] = {}
        self._before: list[tuple[nn.Parameter, Tensor]] = []
        self._parameters: list[tuple[nn.Module, nn.Parameter]] = []
        self._rotated: list[RotatedLinear] = []

    def obstacle(self, space: Space) -> str | None:
        """Why the space cannot be rotated, or None.

        The shift of a norm that has tiny gains cannot leave the space where readers have no bias; and tied weights
        stay one where nothing beside the model could record that they are two.
        """
        shared = next(self._shared(space, {id(item.tensor): (space, item) for item in space.writers}), None)
        if shared is not None and not self._can_record_ties():
            return (f"{shared[0].layer} shares {shared[1].owner}, and nothing beside the model can record that it has"
                    " a weight of its own")
        for gain in space.gains:
            if not self._is_divisible(gain) and gain.shift is not None:
                bare = [reader.layer for reader in self._readers(space, gain) if self._module(reader).bias is None]
                if bare:
                    return f"{gain.name} is almost 0 in places, and {bare[0]} has no bias to take the norm's shift"
        return None

    def untie(self, spaces: Sequence[Space]) -> None:
        """Give readers their own copy of a weight that something else writes or reads in another way."""
        writers = {id(writer.tensor): (space, writer) for space in spaces for writer in space.writers}
        for space in spaces:
            for reader, writer in self._shared(space, writers):
                module = self._module(reader)
                self._parameters.append((module, module.weight))
                module.weight = nn.Parameter(module.weight.detach().clone(), requires_grad=False)
                self.untied[reader.layer] = writer.owner

    def rotate(self, space: Space, rotation: Rotation) -> None:
        """Fold the gains of a space into its readers, and rotate its free runs in all writers and readers."""
        for gain in space.gains:
            self._fold(space, gain, rotation)
        done = set[int]()
        for writer in space.writers:
            self._rotate(writer.tensor, writer.axis, rotation, space.free)
            done.add(id(writer.tensor))
        for reader in space.readers:
            weight = cast(nn.Parameter, self._module(reader).weight)
            if id(weight) not in done and bool(space.free[reader.channels].all()):
                self._set(weight, rotation.apply(weight.detach(), 1))

    def balance(self, pair: Pair) -> None:
        """Scale the channels between a layer and its readers so that both sides have the same norm, as far as free.

        A rotation spreads the rounding errors of all channels over all of them: their sum is that of |v|^2 over the
        channels times that of |o|^2, v and o a channel's weights before and behind, and least where they are equal
        (Cauchy-Schwarz).
        """
        written = next(part.tensor for part in pair.parts if part.tensor.ndim > 1).detach().flatten(1).norm(dim=1)
        squares = torch.zeros_like(written)
        for consumer in pair.consumers:
            weight = cast(Tensor, self.model.get_submodule(consumer.layer).weight).detach()
            known = consumer.channels >= 0
            squares.index_add_(0, consumer.channels[known], weight.square().sum(0)[known])
        ratio = (written / squares.sqrt()).sqrt()
        usable = pair.free.to(ratio.device) & (written > 0) & (squares > 0)
        for part in pair.parts:
            self._before.append((part.tensor, part.tensor.data))
        for consumer in pair.consumers:
            weight = cast(nn.Parameter, self.model.get_submodule(consumer.layer).weight)
            self._before.append((weight, weight.data))
        pair.scale(torch.where(usable, ratio, torch.ones_like(ratio)), self.model)

    def rotate_input(self, name: str, seed: int) -> InputRotation:
        """Rotate the input of a Linear at run time, and its weight the other way round."""
        module = cast(nn.Linear, self.model.get_submodule(name))
        self._rotated.append(behind_rotation(module, seed))
        rotation = self._rotated[-1].rotation
        self._set(module.weight, rotation.rotation.apply(module.weight.detach()))
        return rotation

    def undo(self) -> None:
        """Restore what was there."""
        for rotated in self._rotated:
            without_rotation(rotated)
        for parameter, value in reversed(self._before):
            parameter.data = value
        for module, parameter in reversed(self._parameters):
            module.weight = parameter

    def _fold(self, space: Space, gain: Gain, rotation: Rotation) -> None:
        value = gain.value
        is_divisible = self._is_divisible(gain)
        for reader in self._readers(space, gain):
            module = self._module(reader)
            weight, index = cast(nn.Parameter, module.weight), reader.channels % len(value)
            if gain.shift is not None and not is_divisible:
                bias = cast(nn.Parameter, module.bias)
                added = weight.detach().to(torch.float64) @ gain.shift.detach()[index].to(torch.float64)
                self._set(bias, (bias + added).to(bias.dtype))
            self._set(weight, weight.detach() * value[index].reshape(1, -1, *(1,) * (weight.ndim - 2)))
        if gain.shift is not None:
            rotated = rotation.apply(gain.shift / value) if is_divisible else torch.zeros_like(gain.shift)
            self._set(gain.shift, rotated)
        self._set(gain.part.tensor, torch.full_like(gain.part.tensor, 1.0 - gain.part.offset))

    def _shared(self, space: Space, writers: Mapping[int, tuple[Space, Writer]]) -> Iterator[tuple[Reader, Writer]]:
        """Readers of the space whose weight something else writes or reads in another way, and that."""
        for reader in space.readers:
            found = writers.get(id(self._module(reader).weight))
            if found is None:
                continue
            is_alike = found[0] is space and (reader.gain is None or self._is_neutral(reader.gain))
            if found[1].owner != reader.layer and not is_alike:
                yield reader, found[1]

    def _can_record_ties(self) -> bool:
        from transformers import PreTrainedModel

        return any(isinstance(module, PreTrainedModel) for module in self.model.modules())

    def _rotate(self, tensor: nn.Parameter, axis: int, rotation: Rotation, free: Tensor) -> None:
        rotated = rotation.apply(tensor.detach(), axis)
        if not bool(free.all()):
            shape = [1] * tensor.ndim
            shape[axis] = -1
            rotated = torch.where(free.reshape(shape), rotated, tensor)
        self._set(tensor, rotated)

    def _set(self, parameter: nn.Parameter, value: Tensor) -> None:
        self._before.append((parameter, parameter.data))
        parameter.data = value

    def _module(self, reader: Reader) -> nn.Linear | nn.Conv2d:
        return cast("nn.Linear | nn.Conv2d", self.model.get_submodule(reader.layer))

    def _readers(self, space: Space, gain: Gain) -> list[Reader]:
        return [reader for reader in space.readers if reader.gain is gain]

    @staticmethod
    def _is_divisible(gain: Gain) -> bool:
        magnitude = gain.value.abs()
        return bool(magnitude.min() > _SMALLEST_GAIN * magnitude.max())

    @staticmethod
    def _is_neutral(gain: Gain) -> bool:
        return bool((gain.value == 1).all()) and (gain.shift is None or not bool(gain.shift.any()))
