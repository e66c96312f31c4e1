"""Seeded random inputs for a model without data."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgewright.config import Synthetic
from edgewright.errors import ConfigError
from edgewright.models.spec import InputSpec


def draw(settings: Synthetic, inputs: Sequence[InputSpec], samples: int, seed: int) -> dict[str, NDArray[np.float32]]:
    """Random float32 [samples, *shape] for each input, equal for equal seeds.

    `uniform` spans mean - sqrt(3) std to mean + sqrt(3) std, which has that mean and standard deviation.

    Raises:
        ConfigError: an input is not float32.
    """
    generator = np.random.default_rng(seed)
    drawn = {}
    for item in inputs:
        if item.dtype != "float32":
            raise ConfigError(f"synthetic data is float32, the model's input '{item.name}' is {item.dtype}")
        size = (samples, *item.shape)
        if settings.distribution == "normal":
            values = generator.standard_normal(size, dtype=np.float64)
        else:
            values = generator.uniform(-np.sqrt(3.0), np.sqrt(3.0), size)
        drawn[item.name] = (values * settings.std + settings.mean).astype(np.float32)
    return drawn
