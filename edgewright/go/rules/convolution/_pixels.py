"""A linear layer as a convolution of single pixels."""

from typing import Any

from edgewright.go.pattern import aten


def convolve(x: Any, channels: int, kernel: Any, bias: Any, shape: Any) -> Any:
    """The last dimension of `x`, of size `channels`, convolved with a [out, channels, 1, 1] kernel; of size `shape`."""
    pixels = aten.reshape.default(x, [-1, channels, 1, 1])
    return aten.reshape.default(aten.conv2d.default(pixels, kernel, bias), shape)
