"""Images to model inputs: decode, RGB, resize, scale, normalize."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.datasets.content import array_digest
from edgewright.datasets.decoded import UNREADABLE, Decoded, shape_text
from edgewright.errors import ConfigError

RAW = (0.0, 255.0)
"""Least and greatest value of a pixel."""

_MODES = {1: "L", 3: "RGB"}


def decode(column: Any, shape: tuple[int, ...], preprocess: Mapping[str, Any], folder: Path) -> Decoded:
    """Images as `((x * scale) - mean) / std`, computed in float64 from 8-bit values and rounded once.

    Args:
        column: pyarrow array of encoded images: bytes, a path, or a struct of `bytes` and `path`.
        shape: [C, H, W] of the model's input; C is 3 (RGB) or 1 (grey, ITU-R 601-2 luma).
        preprocess: `resize` [H, W] (bilinear, antialiased) or null, `scale`, `mean` and `std` of one value or C.
        folder: where relative paths start from.

    Raises:
        ConfigError: the model's input is no image, or mean and std do not fit its channels.
    """
    if len(shape) != 3 or shape[0] not in _MODES:
        raise ConfigError(f"an image column needs a model input [3, H, W] or [1, H, W], not {list(shape)}")
    pixels: list[NDArray[np.uint8] | None] = []
    digests: list[str | None] = []
    shapes: list[str | None] = []
    for cell in column.to_pylist():
        content, image = _open(cell, _MODES[shape[0]], preprocess.get("resize"), folder)
        digests.append(array_digest(content) if content is not None else None if image is None else UNREADABLE)
        shapes.append(shape_text(image.shape) if isinstance(image, np.ndarray) else image)
        pixels.append(image if isinstance(image, np.ndarray) and image.shape == shape else None)
    values = np.full((len(pixels), *shape), np.nan, dtype=np.float32)
    readable = [row for row, image in enumerate(pixels) if image is not None]
    if readable:
        raw = np.stack([image for image in pixels if image is not None])
        for channel, table in enumerate(_tables(shape[0], preprocess)):
            values[readable, channel] = table[raw[:, channel]]
    return Decoded(values, digests, shapes)


def _open(
    cell: Any, mode: str, resize: Sequence[int] | None, folder: Path
) -> tuple[NDArray[np.uint8] | None, NDArray[np.uint8] | str | None]:
    """Content [H, W, C] as it is stored and image [C, H, W] as it is fed; no content if it is unreadable or null."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    if isinstance(cell, dict):
        cell = cell["bytes"] if cell.get("bytes") is not None else cell.get("path")
    if cell is None:
        return None, None
    try:
        with Image.open(io.BytesIO(cell) if isinstance(cell, bytes) else folder / cell) as file:
            image = ImageOps.exif_transpose(file).convert(mode)
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError):
        return None, UNREADABLE
    content = np.asarray(image)
    if resize is not None and image.size != (resize[1], resize[0]):
        image = image.resize((resize[1], resize[0]), Image.Resampling.BILINEAR)
    fed = np.asarray(image)
    return content, fed[None] if fed.ndim == 2 else fed.transpose(2, 0, 1)


def _tables(channels: int, preprocess: Mapping[str, Any]) -> NDArray[np.float32]:
    """Model input of each 8-bit value, [C, 256]: 256 values a channel are cheaper than arithmetic on every pixel."""
    mean, std = normalization(preprocess, channels)
    levels = np.arange(256, dtype=np.float64) * float(preprocess.get("scale", 1.0))
    return np.asarray((levels[None] - mean[:, None]) / std[:, None], dtype=np.float32)


def bounds(preprocess: Mapping[str, Any], channels: int, raw: tuple[float, float]) -> tuple[float, float]:
    """Least and greatest model input that raw values from `raw[0]` to `raw[1]` become, in any channel."""
    mean, std = normalization(preprocess, channels)
    scaled = np.array(raw, dtype=np.float64)[:, None] * float(preprocess.get("scale", 1.0))
    ends = ((scaled - mean) / std).astype(np.float32)
    return float(ends.min()), float(ends.max())


def normalization(preprocess: Mapping[str, Any], channels: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and std, a value for each channel, from that many or from one.

    Raises:
        ConfigError: another number of values, or a std of zero.
    """
    found = []
    for key, default in (("mean", 0.0), ("std", 1.0)):
        values = preprocess.get(key, (default,))
        if len(values) not in (1, channels):
            raise ConfigError(
                f"preprocess.{key}: {len(values)} values for a model input of {channels} channels; give 1 or {channels}"
            )
        if key == "std" and any(value == 0 for value in values):
            raise ConfigError("preprocess.std: must not be 0")
        found.append(np.broadcast_to(np.asarray(values, dtype=np.float64), (channels,)))
    return found[0], found[1]
