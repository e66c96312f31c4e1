"""Text to windows of token ids."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.errors import InputError, first_line

_DOCUMENTS_A_CALL = 64


@dataclass(frozen=True, slots=True)
class Stream:
    """Token ids of documents one after the other.

    Attributes:
        ids: int64 [tokens].
        offsets: int64 [documents + 1], where each document starts in `ids`.
    """

    ids: NDArray[np.int64]
    offsets: NDArray[np.int64]

    def windows(self, length: int) -> NDArray[np.int64]:
        """Windows that do not overlap, [n, length]; an incomplete last one is dropped."""
        count = len(self.ids) // length
        return self.ids[:count * length].reshape(count, length)

    def documents(self, window: int, length: int) -> range:
        """Documents that have a token in a window."""
        start, end = window * length, (window + 1) * length
        first = int(np.searchsorted(self.offsets, start, side="right")) - 1
        return range(first, int(np.searchsorted(self.offsets, end, side="left")))

    def observations(self) -> dict[str, NDArray[Any]]:
        """What the expectations look at, an entry a document: number of tokens, least and greatest token id."""
        tokens = np.diff(self.offsets)
        minimum, maximum = np.full(len(tokens), np.nan), np.full(len(tokens), np.nan)
        filled = np.flatnonzero(tokens)
        if len(filled):
            minimum[filled] = np.minimum.reduceat(self.ids, self.offsets[filled])
            maximum[filled] = np.maximum.reduceat(self.ids, self.offsets[filled])
        return {"tokens": tokens, "minimum": minimum, "maximum": maximum}


def vocabulary(folder: Path) -> int:
    """Number of token ids of the folder's tokenizer."""
    return len(_load(folder))


def tokenize(texts: Sequence[str], folder: Path) -> Stream:
    """Token ids of each text with the special tokens of the model's tokenizer, in order.

    Each document begins with the beginning-of-sequence token if the tokenizer has one, also where the tokenizer
    does not put it there itself: a model that was trained with it scores a text without it worse.

    Args:
        texts: documents.
        folder: the model's folder with its tokenizer files.

    Raises:
        InputError: the folder holds no tokenizer that loads.
    """
    tokenizer = _load(folder)
    begin = tokenizer.bos_token_id
    documents: list[NDArray[np.int64]] = []
    for start in range(0, len(texts), _DOCUMENTS_A_CALL):
        batch = list(texts[start:start + _DOCUMENTS_A_CALL])
        # verbose=False: documents longer than the model's context are cut into windows, no need to warn.
        encoded = tokenizer(batch, return_attention_mask=False, return_token_type_ids=False, verbose=False)
        for ids in encoded["input_ids"]:
            prefix = [] if begin is None or ids[:1] == [begin] else [begin]
            documents.append(np.asarray(prefix + ids, dtype=np.int64))
    offsets = np.concatenate([[0], np.cumsum([len(ids) for ids in documents], dtype=np.int64)]).astype(np.int64)
    return Stream(np.concatenate(documents) if documents else np.empty(0, np.int64), offsets)


def _load(folder: Path) -> Any:
    import transformers

    try:
        return transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder}: no tokenizer that loads: {first_line(error)}") from error
