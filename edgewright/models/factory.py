"""Models that a Python factory builds: `package.module:function`, in the workspace or installed."""

import sys
from importlib import import_module
from inspect import Parameter, signature
from pathlib import Path

from torch import nn

from edgewright.errors import ConfigError, InputError, first_line, nearest
from edgewright.models.check import locate


def build(factory: str, workspace: Path) -> nn.Module:
    """Call the factory and return its module in evaluation mode.

    Raises:
        ConfigError: the module or the function does not exist.
        InputError: the factory or its module fails, or it returns something else than a torch module.
    """
    locate(factory, workspace)
    name, _, function = factory.partition(":")
    root = str(workspace.resolve())
    if root not in sys.path:
        sys.path.insert(0, root)
    try:
        module = import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise ConfigError(f"factory '{factory}': {error}") from error
        raise _failed(factory, error) from error
    except Exception as error:
        raise _failed(factory, error) from error
    if not hasattr(module, function):
        public = [key for key in vars(module) if not key.startswith("_")]
        raise ConfigError(f"factory '{factory}': {name} has no '{function}'{nearest(function, public)}")
    try:
        net = getattr(module, function)()
    except Exception as error:
        raise _failed(factory, error) from error
    if not isinstance(net, nn.Module):
        raise InputError(f"factory '{factory}' returned a {type(net).__name__}, not a torch.nn.Module")
    return net.eval().requires_grad_(False)


def _failed(factory: str, error: Exception) -> InputError:
    return InputError(f"factory '{factory}' failed: {type(error).__name__}: {first_line(error)}")


def input_name(net: nn.Module) -> str:
    """Name of the forward pass's first parameter, which the exported program's input takes."""
    kinds = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    return next(name for name, parameter in signature(net.forward).parameters.items() if parameter.kind in kinds)
