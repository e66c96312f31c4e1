"""Finished blocks on disk: a run that was killed goes on behind them, and memory does not hold them.

    block-0003/quantization.json      formats of its layers
    block-0003/record.json            what the report says of them
    block-0003/weights.safetensors    the block's state dict, quantized
    block-0003/hidden/0.safetensors   the stream behind the block, by batch; only of the last block
    block-0003/floats/0.safetensors   the float model's stream, where it is kept too
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor, nn

from edgewright.aq.activations import Activations
from edgewright.files import read_json, write_json
from edgewright.models import weights
from edgewright.models.checkpoints import native
from edgewright.models.quantized import WeightFormat

_RECORD, _WEIGHTS, STREAMS = "record.json", "weights.safetensors", ("hidden", "floats")


@dataclass(frozen=True, slots=True)
class Store:
    """The folder of one run, named by the digest of all that the run depends on."""

    folder: Path

    def finished(self) -> int:
        """How many blocks are finished; the stream behind the last of them is there."""
        count = 0
        while (self._block(count) / _RECORD).is_file():
            count += 1
        return count

    def save(
        self, index: int, name: str, model: nn.Module, formats: Mapping[str, WeightFormat],
        record: Mapping[str, Any], streams: Sequence[Sequence[Tensor]],
    ) -> None:  # fmt: skip
        """Keep block `index`, whose path is `name`, whole or not at all, and map its weights from disk."""
        partial = self.folder / f"partial-{index:04}"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        weights.write(model.get_submodule(name).state_dict(), partial / _WEIGHTS)
        write_json(partial / native.FILE, native.describe(formats))
        write_json(partial / _RECORD, record)
        for stream, tensors in zip(STREAMS, streams, strict=False):
            Activations(tensors, partial / stream)
        partial.replace(self._block(index))
        for stream in STREAMS if index else ():
            shutil.rmtree(self._block(index - 1) / stream, ignore_errors=True)
        self._map(index, name, model)

    def restore(self, index: int, name: str, model: nn.Module) -> tuple[dict[str, WeightFormat], Any]:
        """Put finished block `index` in its place; the formats of its layers, and its record."""
        native.prepare(model, self._block(index))
        self._map(index, name, model)
        return native.read(self._block(index)), read_json(self._block(index) / _RECORD)

    def stream(self, index: int, stream: str) -> Activations:
        """The activations behind block `index`, the last finished one, that are read when they are used."""
        return Activations.stored(self._block(index) / stream)

    def _map(self, index: int, name: str, model: nn.Module) -> None:
        tensors = load_file(self._block(index) / _WEIGHTS)
        model.get_submodule(name).load_state_dict(tensors, strict=False, assign=True)

    def _block(self, index: int) -> Path:
        return self.folder / f"block-{index:04}"
