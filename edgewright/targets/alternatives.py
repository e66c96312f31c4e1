"""The schemes that a target can do, those nearest to what was asked first."""

import math

from edgewright.config.schemes import ActivationScheme, WeightScheme
from edgewright.targets.schema import Kernel, KernelActivations, KernelWeights, Target

_SHOWN = 3
_ABSENT, _MODE, _GRANULARITY, _DETAIL = 4.0, 2.0, 0.75, 0.5


def choices(target: Target, weights: WeightScheme | None, activations: ActivationScheme | None) -> str:
    """The kernels with weights of a target, the nearest to weights and activations first; the first with operators."""
    kernels: dict[str, tuple[Kernel, list[str]]] = {}
    for name, operator in sorted(target.operators.items()):
        for kernel in operator.quantized:
            if kernel.weights is not None:
                kernels.setdefault(kernel.name, (kernel, []))[1].append(name)
    ordered = sorted(kernels.values(), key=lambda item: distance(item[0], weights, activations))
    shown = "; ".join(f"{kernel} for {', '.join(ops)}" for kernel, ops in ordered[:_SHOWN])
    further = ", ".join(kernel.name for kernel, _ in ordered[_SHOWN:])
    return f"{shown}; further: {further}" if further else shown


def distance(kernel: Kernel, weights: WeightScheme | None, activations: ActivationScheme | None) -> float:
    """How much of a scheme would have to change for a kernel to run it; 0 where it does.

    A tensor that would have to become integers, or float, counts most; then when its parameters are chosen, each
    halving or doubling of bits, what shares a scale, and symmetry, kind of scales and group size.
    """
    return _weights(kernel.weights, weights) + _activations(kernel.activations, activations)


def _weights(kernel: KernelWeights | None, asked: WeightScheme | None) -> float:
    if kernel is None or asked is None:
        return _ABSENT * ((kernel is None) != (asked is None))
    details = (
        kernel.symmetric and not asked.symmetric,
        kernel.power_of_two and not asked.power_of_two,
        kernel.granularity == asked.granularity and (asked.group or 0) % (kernel.group_multiple or 1) != 0,
    )
    bits = abs(math.log2(kernel.bits / asked.bits))
    return bits + _GRANULARITY * (kernel.granularity != asked.granularity) + _DETAIL * sum(details)


def _activations(kernel: KernelActivations | None, asked: ActivationScheme | None) -> float:
    if kernel is None or asked is None:
        return _ABSENT * ((kernel is None) != (asked is None))
    details = (kernel.symmetric and not asked.symmetric, kernel.power_of_two and not asked.power_of_two)
    return abs(math.log2(kernel.bits / asked.bits)) + _MODE * (kernel.mode != asked.mode) + _DETAIL * sum(details)
