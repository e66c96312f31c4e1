"""Layouts of a checkpoint with integer weights, one a file of this folder.

A layout is a module that follows `Layout`. Those whose name is a `quant_method` of config.json follow
`ReadableLayout` too: a folder in that layout is a model like any other, and its integers are taken over untouched.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from edgewright import registry
from edgewright.errors import InputError
from edgewright.models.documents import read_object

if TYPE_CHECKING:
    from torch import Tensor, nn

    from edgewright.models.quantized import QuantizedModule
    from edgewright.rounding import QuantizedWeight

LAYOUTS = "edgewright.models.checkpoints"
NATIVE, DEFAULT = "native", "compressed-tensors"
METHODS = ("awq", "compressed-tensors", "gptq")
"""The layouts that are read, by `quant_method`."""


class Layout(Protocol):
    """How a model with integer weights is written."""

    def refusal(self, module: "QuantizedModule") -> str | None:
        """Why the layout cannot hold this layer, or None where it can."""
        ...

    def tensors(self, model: "nn.Module") -> "dict[str, Tensor]":
        """What goes into the weights file."""
        ...

    def configuration(self, model: "nn.Module") -> dict[str, Any] | None:
        """The `quantization_config` of config.json, None where there is none."""
        ...

    def documents(self, model: "nn.Module") -> Mapping[str, Any]:
        """JSON files beside it, by name."""
        ...


class ReadableLayout(Layout, Protocol):
    """How the integers of a layer are found again.

    Attributes:
        MARK: suffix of the tensor that every quantized layer has.
        SUFFIXES: of the tensors of a layer that `unpack` reads.
    """

    MARK: str
    SUFFIXES: tuple[str, ...]

    def check(self, settings: Mapping[str, Any]) -> None:
        """Refuse a configuration that is not read; `settings` is the `quantization_config`.

        Raises:
            ValueError: naming the key.
        """
        ...

    def unpack(
        self, name: str, module: "nn.Module", tensors: "Mapping[str, Tensor]", settings: Mapping[str, Any]
    ) -> "tuple[QuantizedWeight, Tensor | None]":
        """The integers of a layer [out, in], and the input of each column where they are permuted.

        Args:
            name: its path.
            module: the float Linear whose weight it is, without data.
            tensors: of the layer, by suffix.
            settings: the `quantization_config`.

        Raises:
            ValueError: what does not fit.
        """
        ...


def load(name: str) -> Layout:
    """The layout of that name."""
    return cast(Layout, registry.load(LAYOUTS, name))


def settings(folder: Path) -> Mapping[str, Any] | None:
    """The `quantization_config` of a Hugging Face folder, None for a float model.

    Raises:
        InputError: its method is not read, or config.json is malformed.
    """
    path = folder / "config.json"
    found = read_object(path).get("quantization_config") if path.is_file() else None
    if found is None:
        return None
    if not isinstance(found, dict):
        raise InputError(f"{path}: quantization_config: expected a mapping, got a {type(found).__name__}")
    method = found.get("quant_method")
    if method not in METHODS:
        raise InputError(f"{path}: quantization_config.quant_method '{method}' is not read; {', '.join(METHODS)} are,"
                         " or give the float model")
    return found
