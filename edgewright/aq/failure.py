"""The failure of one layer, which a recipe may answer with `on_failure`."""

from edgewright.errors import InputError


class LayerError(InputError):
    """A layer whose weights or inputs make quantizing it impossible.

    Attributes:
        layer: its path in the model; the message begins with it.
    """

    def __init__(self, layer: str, reason: str) -> None:
        super().__init__(f"{layer}: {reason}")
        self.layer, self.reason = layer, reason
