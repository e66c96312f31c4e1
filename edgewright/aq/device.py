"""Where the arithmetic of weight quantization runs."""

import torch

from edgewright.errors import ConfigError


def choose(name: str) -> torch.device:
    """The device of a recipe's `device`: cpu, cuda, or auto, which is cuda where there is one.

    Raises:
        ConfigError: cuda is asked for and not there.
    """
    has_cuda = torch.cuda.is_available()
    if name == "cuda" and not has_cuda:
        raise ConfigError("device: cuda: this machine has no CUDA device that torch can use; say auto or cpu")
    return torch.device("cuda" if name != "cpu" and has_cuda else "cpu")


def describe(device: torch.device) -> str:
    """The device's name for the provenance: artifacts are equal in their bytes on equal devices."""
    return "cpu" if device.type == "cpu" else f"cuda: {torch.cuda.get_device_name(device)}"
