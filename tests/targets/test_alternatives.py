import pytest

from edgewright import targets
from edgewright.config.schemes import GqScheme
from edgewright.targets.alternatives import choices, distance

KERNELS = {kernel.name: kernel for kernel in targets.load("onnxruntime").operators["linear"].quantized}


def asked(**values):
    scheme = GqScheme.model_validate(values)
    return scheme.weights, scheme.activations


@pytest.mark.parametrize(
    ("scheme", "nearest"),
    [
        ({"weights": {"bits": 4}, "activations": {}}, "w8a8"),
        ({"weights": {"bits": 4}, "activations": {"bits": 16}}, "w8a16"),
        ({"weights": {"bits": 2, "granularity": "group", "group": 32}}, "w4-group"),
        ({"weights": {"bits": 4, "granularity": "tensor"}}, "w4"),
        ({"weights": {"granularity": "group", "group": 40}, "activations": {"mode": "dynamic"}}, "w8a8-dynamic-group"),
    ],
)
def test_the_nearest_scheme_comes_first(scheme, nearest):
    text = choices(targets.load("onnxruntime"), *asked(**scheme))
    assert text.startswith(f"{nearest} (")
    assert "; further: " in text


def test_distance_is_zero_only_where_the_kernel_runs_it():
    weights, activations = asked(weights={"bits": 8}, activations={"bits": 8})
    found = {name: distance(kernel, weights, activations) for name, kernel in KERNELS.items()}
    assert [name for name, value in found.items() if value == 0] == ["w8a8"]
    assert found["w8a8-tensor"] < found["w8a16"] < found["w8a8-dynamic"] < found["w8"]


def test_all_are_shown_where_they_are_few():
    text = choices(targets.load("tinpu"), *asked(weights={"bits": 4}))
    assert "further" not in text
    assert "for conv2d, linear" in text
