"""Digests of a row's content, equal for near-duplicates: the same pixels, numbers or words."""

import hashlib
import re
import unicodedata
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NO_WORD = re.compile(r"[\W_]+")


def text_digest(text: str) -> str:
    """sha256 of a text's words: NFKC, case-folded, without punctuation, one space between words."""
    words = _NO_WORD.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()
    return hashlib.sha256(words.encode()).hexdigest()


def array_digest(array: NDArray[Any]) -> str:
    """sha256 of an array's shape and values; for an image the decoded pixels, whatever file format held them."""
    digest = hashlib.sha256(f"{array.dtype} {array.shape}\n".encode())
    digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
