"""Targets: one YAML capability map a device, one adapter a toolchain."""

from edgewright.targets.load import load, look_in, names, read
from edgewright.targets.schema import Kernel, KernelActivations, KernelWeights, Operator, Target
from edgewright.targets.scheme import check_scheme, find_kernel, schemes
from edgewright.targets.toolchain import Adapter, adapter

__all__ = [
    "Adapter",
    "Kernel",
    "KernelActivations",
    "KernelWeights",
    "Operator",
    "Target",
    "adapter",
    "check_scheme",
    "find_kernel",
    "load",
    "look_in",
    "names",
    "read",
    "schemes",
]
