"""Models that a Python factory builds: `package.module:function`, in the workspace or installed."""

import sys
from importlib import import_module
from inspect import Parameter, signature
from pathlib import Path

from torch import nn

from edgewright.errors import ConfigError, InputError, nearest
from edgewright.models.check import locate


def build(factory: str, workspace: Path) -> nn.Module:
    """Call the factory and return its module in evaluation mode.

    Raises:
        ConfigError: the module or the function does not exist.
        InputError: the factory fails, or returns something else than a module.
    """
    locate(factory, workspace)
    name, _, function = factory.partition(":")
    root = str(workspace.resolve())
    if root not in sys.path:
        sys.path.insert(0, root)
    try:
        module = import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigError(f"factory '{factory}': {error}") from error
    if not hasattr(module, function):
        public = [key for key in vars(module) if not key.startswith("_")]
        raise ConfigError(f"factory '{factory}': {name} has no '{function}'{nearest(function, public)}")
    try:
        net = getattr(module, function)()
    except Exception as error:
        raise InputError(f"factory '{factory}' failed: {type(error).__name__}: {error}") from error
    if not isinstance(net, nn.Module):
        raise InputError(f"factory '{factory}' returned a {type(net).__name__}, not a torch.nn.Module")
    return net.eval().requires_grad_(False)


def input_name(net: nn.Module) -> str:
    """Name of the forward pass's first parameter, which the exported program's input takes."""
    kinds = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    return next(name for name, parameter in signature(net.forward).parameters.items() if parameter.kind in kinds)
