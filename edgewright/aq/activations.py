"""The activations that wait between two blocks: in memory, or on disk."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import overload

from safetensors.torch import load_file, save_file
from torch import Tensor

_KEY = "activations"


class Activations(Sequence[Tensor]):
    """One tensor for each calibration batch; with a folder each lies there in a file and is read when it is used."""

    def __init__(self, tensors: Iterable[Tensor], folder: Path | None = None) -> None:
        self._folder = folder
        self._tensors: list[Tensor | None] = []
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        for tensor in tensors:
            self.append(tensor)

    @classmethod
    def stored(cls, folder: Path) -> "Activations":
        """Those that lie in a folder."""
        found = cls((), folder)
        found._tensors = [None] * len(list(folder.glob("*.safetensors")))
        return found

    def append(self, tensor: Tensor) -> None:
        """Add the activations of the next batch."""
        self._tensors.append(None)
        self[len(self._tensors) - 1] = tensor

    def clear(self) -> None:
        """Forget all."""
        self._tensors.clear()

    def __setitem__(self, batch: int, tensor: Tensor) -> None:
        held = tensor.detach().cpu()
        if self._folder is not None:
            save_file({_KEY: held.contiguous()}, self._file(batch))
        else:
            self._tensors[batch] = held

    @overload
    def __getitem__(self, batch: int) -> Tensor: ...
    @overload
    def __getitem__(self, batch: slice) -> list[Tensor]: ...
    def __getitem__(self, batch: int | slice) -> Tensor | list[Tensor]:
        if isinstance(batch, slice):
            return [self[index] for index in range(*batch.indices(len(self)))]
        held = self._tensors[batch]
        if held is not None:
            return held
        return load_file(self._file(range(len(self))[batch]))[_KEY]

    def __len__(self) -> int:
        return len(self._tensors)

    def _file(self, batch: int) -> Path:
        assert self._folder is not None
        return self._folder / f"{batch}.safetensors"


