"""Weights that aq chooses and gq cannot carry on are refused before anything is computed."""

import pytest

from edgewright.config import Params
from edgewright.engine.validate import _weights
from edgewright.errors import ConfigError

MODEL = {"task": "language-modeling", "source": "folder", "calibration": "text", "holdout": "text"}
W8 = {"bits": 8, "granularity": "channel"}
W4 = {"bits": 4, "granularity": "group", "group": 32}


def check(recipe: dict[str, object], weights: dict[str, object]) -> None:
    params = Params.model_validate({
        "models": {"net": MODEL},
        "data": {"text": {"source": "text.parquet"}},
        "aq": {"none": {}, "mine": recipe},
        "gq": {"none": {}, "its": {"weights": weights}},
        "variants": [{"model": "net", "aq": "mine", "gq": "its", "target": "xnnpack"}],
    })
    _weights(params, "net", "mine", "its", 0)


@pytest.mark.parametrize(
    ("recipe", "weights"),
    [
        ({"bits": 8}, W8),
        ({"bits": 4, "group": 32}, W4),
        ({"bits": 8}, {**W8, "symmetric": False}),
        ({"bits": 8, "symmetric": False}, {**W8, "symmetric": False}),
        ({"bits": 4}, W8),
        ({"bits": 3, "group": 32}, W4),
        ({"format": "mxfp4"}, {"bits": 8, "granularity": "group", "group": 32}),
        ({"bits": 4, "group": 32, "layers": {"head": "skip"}}, W4),
        ({"algorithms": ["hqq"], "symmetric": False, "options": {"hqq": {"zero_point": "integer"}}},
         {**W8, "symmetric": False}),
    ],
)
def test_integers_that_the_scheme_carries_pass(recipe: dict[str, object], weights: dict[str, object]) -> None:
    check(recipe, weights)


@pytest.mark.parametrize(
    ("recipe", "weights", "chosen", "carried", "needed"),
    [
        ({"bits": 8, "group": 32}, W4, "8-bit integers in groups of 32", "4-bit integers in groups of 32", "bits: 4"),
        ({"bits": 4, "group": 64}, W4, "4-bit integers in groups of 64", "4-bit integers in groups of 32", "group: 32"),
        ({"bits": 8, "symmetric": False}, W8, "asymmetric 8-bit integers per channel", "8-bit integers per channel",
         "symmetric: true"),
        ({"bits": 8}, {"bits": 8, "granularity": "tensor"}, "8-bit integers per channel", "8-bit integers per tensor",
         "none"),
        ({"format": "mxfp4"}, W4, "mxfp4 weights in groups of 32", "4-bit integers in groups of 32", "format: int"),
        ({"bits": 8, "layers": {"*.down": {"group": 64}}}, W8,
         "8-bit integers in groups of 64 for the layers '*.down'", "8-bit integers per channel", "no group"),
        ({"algorithms": ["hqq"], "bits": 8, "symmetric": False}, {**W8, "symmetric": False},
         "asymmetric 8-bit integers per channel", "asymmetric 8-bit integers per channel",
         "options: {hqq: {zero_point: integer}}"),
    ],
)
def test_other_integers_than_the_scheme_s_are_refused(
    recipe: dict[str, object], weights: dict[str, object], chosen: str, carried: str, needed: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        check(recipe, weights)
    assert str(caught.value) == (
        f"params.yaml: variants[0]: aq.mine chooses {chosen}, which gq.its cannot carry on: its weights are {carried};"
        f" give aq {needed}, or gq other weights"
    )
