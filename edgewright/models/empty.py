"""Build a module without memory for its weights, which are put in later."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from torch import nn
from torch.utils.weak import WeakTensorKeyDictionary


@contextmanager
def without_weights() -> Iterator[None]:
    """Within it, the parameters of modules that are built are on the meta device; buffers are real.

    Parameters that are registered under several names stay one.
    """
    register = nn.Module.register_parameter
    made: WeakTensorKeyDictionary = WeakTensorKeyDictionary()

    def register_empty(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        if parameter is not None and not parameter.is_meta:
            if parameter not in made:
                made[parameter] = nn.Parameter(parameter.detach().to("meta"), parameter.requires_grad)
            parameter = made[parameter]
        register(module, name, parameter)

    with patch.object(nn.Module, "register_parameter", register_empty):
        yield
