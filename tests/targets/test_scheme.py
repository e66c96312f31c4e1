import pytest

from edgewright import targets
from edgewright.config.schemes import GqScheme
from edgewright.errors import ConfigError

W8A8 = {"weights": {"bits": 8}, "activations": {"bits": 8}}
W8A8_DYNAMIC = {"weights": {"bits": 8}, "activations": {"mode": "dynamic"}}
W4A8 = {"weights": {"bits": 4}, "activations": {"bits": 8}}
W8A16 = {"weights": {"bits": 8}, "activations": {"bits": 16, "symmetric": True}}
W4A8_DYNAMIC = {"weights": {"bits": 4, "granularity": "group", "group": 32}, "activations": {"mode": "dynamic"}}


def scheme(**values: object) -> GqScheme:
    return GqScheme.model_validate(values)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("xnnpack", {}),
        ("xnnpack", W8A8),
        ("xnnpack", W8A8_DYNAMIC),
        ("xnnpack", W4A8_DYNAMIC),
        ("onnxruntime", {}),
        ("onnxruntime", W8A8),
        ("onnxruntime", W4A8_DYNAMIC),
        ("onnxruntime", {"weights": {"bits": 4, "granularity": "group", "group": 48}}),
        ("openvino", {"dtype": "float16"}),
        ("ethos-u85-256", W8A8),
        ("ethos-u55-32", W4A8),
        ("ethos-u65-512", W8A16),
        ("ethos-u85-2048", {**W8A8, "layers": {"stem": "w8a16"}}),
    ],
)
def test_schemes_that_a_target_can_do(name: str, values: dict[str, object]) -> None:
    targets.check_scheme(targets.load(name), scheme(**values), "gq.mine")


@pytest.mark.parametrize(
    ("name", "values", "parts"),
    [
        (
            "ethos-u85-256",
            W4A8_DYNAMIC,
            (
                "gq.mine: target ethos-u85-256 cannot run linear",
                "4-bit weights per group of 32",
                "w8a8 (8-bit weights per channel",
            ),
        ),
        ("ethos-u85-256", {}, ("no float build", "w8a8")),
        (
            "ethos-u55-128",
            {"weights": {"bits": 8}, "activations": {"bits": 16}},
            ("static 16-bit activations", "w8a16 (8-bit weights per channel, static symmetric 16-bit activations)"),
        ),
        (
            "openvino",
            {**W8A8, "activations": {"bits": 16}},
            (
                "target openvino cannot run any operator",
                "(openvino.yaml: operators.linear: quantized: [w8a8, ",
                "; nearest: w8a8 (8-bit weights per channel, static 8-bit activations) for conv1d, conv2d, linear; ",
            ),
        ),
        (
            "xnnpack",
            {**W4A8_DYNAMIC, "weights": {"bits": 4, "granularity": "group", "group": 24}},
            ("per group of 24", "w4a8-dynamic"),
        ),
        (
            "xnnpack",
            {"weights": {"bits": 8, "symmetric": False}, "activations": {}},
            ("cannot run any operator with asymmetric 8-bit weights",),
        ),
        ("xnnpack", {**W8A8, "layers": {"head": {"bits": 4}}}, ("gq.mine.layers.head: ", "4-bit weights per channel")),
        ("xnnpack", {**W8A8, "activations": {"bits": 16}}, ("static 16-bit activations",)),
    ],
)
def test_scheme_that_a_target_cannot_do_is_one_line(
    name: str, values: dict[str, object], parts: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigError) as caught:
        targets.check_scheme(targets.load(name), scheme(**values), "gq.mine")
    assert "\n" not in str(caught.value)
    for part in parts:
        assert part in str(caught.value)


def test_kernel_for_an_operator_without_weights() -> None:
    target = targets.load("xnnpack")
    static = scheme(**W8A8).activations
    add, softmax = target.operators["add"], target.operators["softmax"]
    found = targets.find_kernel(add, None, static)
    assert found is not None
    assert found.name == "a8"
    assert targets.find_kernel(softmax, None, static) is None
    assert targets.find_kernel(add, None, scheme(**W8A8_DYNAMIC).activations) is None
