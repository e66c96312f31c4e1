"""Precisions in short: `float`, or the bits of weights and activations."""

import re
from typing import Annotated

from pydantic import AfterValidator

FLOAT = "float"
"""The precision of what is not quantized."""

PRECISION = re.compile(r"w(2|4|8|16)a(8|16)")


def _precision(text: str) -> str:
    if text != FLOAT and not PRECISION.fullmatch(text):
        raise ValueError(f"'{text}' is no precision; one is float, or w and a with their bits: w4a8, w8a8, w8a16, "
                         "w16a16")
    return text


Precision = Annotated[str, AfterValidator(_precision)]
"""`float`, or bits of weights and activations in short: `w8a16`."""
