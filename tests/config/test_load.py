"""Mistakes in params.yaml are named by their key, with the nearest valid name."""

from pathlib import Path

import pytest
import yaml

from edgewright import config
from edgewright.errors import ConfigError

ROOT = Path(__file__).parents[2]


def raw():
    return yaml.safe_load((ROOT / "params.yaml").read_text())


def written(tmp_path, value):
    path = tmp_path / "params.yaml"
    path.write_text(value if isinstance(value, str) else yaml.safe_dump(value))
    return path


def test_the_default_is_valid():
    params = config.load(ROOT / "params.yaml")
    assert [variant.target for variant in params.variants][1] == ("xnnpack", "onnxruntime", "ethos-u85-256")


def test_layers_of_an_mxfp4_recipe_may_be_integers():
    layers = {"head": {"format": "int", "bits": 8, "group": None}, "a": {"bits": 4}, "b": "skip"}
    assert config.AqRecipe.model_validate({"format": "mxfp4", "layers": layers}).layers["head"].bits == 8


def change(path, value):
    def apply(document):
        *parents, leaf = path
        for part in parents:
            document = document[part]
        document[leaf] = value
    return apply


@pytest.mark.parametrize(("apply", "expected"), [
    (change(("models", "resnet8", "labelz"), 3), "resnet8.labelz: unknown key 'labelz' (did you mean 'labels'?)"),
    (change(("aq", "awq-w4", "bit"), 3), "aq.awq-w4.bit: unknown key 'bit' (did you mean 'bits'?)"),
    (change(("aq", "awq-w4", "bits"), 13), "aq.awq-w4.bits: Input should be less than or equal to 8, got 13"),
    (change(("variants", 0, "aq"), "awq-w5"), "variants[0].aq: no entry 'awq-w5' in aq (did you mean 'awq-w4'?)"),
    (change(("models", "resnet8", "holdout"), "cifar"), "models.resnet8.holdout: no entry 'cifar' in data"),
    (change(("modelz",), {}), "modelz: unknown key 'modelz' (did you mean 'models'?)"),
    (change(("aq", "a--b"), {}), "name 'a--b' must be lower-case"),
    (change(("gq", "none"), {"weights": {}}), "gq.none must be empty"),
    (change(("gq", "w8a8", "weights", "group"), 32), "granularity: group and group: N go together"),
    (change(("models", "resnet8", "weights"), None), "factory and weights go together"),
    (change(("aq", "awq-w4", "layers"), {"a": {"bits": None}}), "layers.a.LayerOverride.bits: Input should be"),
    (change(("aq", "awq-w4", "layers"), {"a": {"symmetric": None}}), "LayerOverride.symmetric: Input should be"),
    (change(("aq", "awq-w4", "layers"), {"a": {"algorithms": None}}), "LayerOverride.algorithms: Input should be"),
    (change(("aq", "awq-w4", "layers"), {"a": {"bitz": 3}}), "unknown key 'bitz' (did you mean 'bits'?)"),
    (change(("aq", "mx"), {"format": "mxfp4", "layers": {"a": {"bits": 8}}}),
     "bits: 8 does not go with format: mxfp4, which has 4; give format: int with it"),
    (change(("aq", "mx"), {"format": "mxfp4", "layers": {"a": {"group": None}}}), "group: None does not go with"),
    (change(("aq", "mx"), {"layers": {"a": {"format": "mxfp4", "clip": True}}}), "clip: True does not go with"),
    (change(("models", "resnet8", "preprocess"), {"std": [1.0, 0.0, 1.0]}), "resnet8.preprocess.std: must not be 0"),
    (change(("models", "resnet8", "preprocess"), {"mean": [1, 2]}),
     "models.resnet8: preprocess.mean: 2 values for an input of 3 channels; give 1 or 3"),
    (change(("models", "resnet8", "preprocess"), {"std": []}), "resnet8.preprocess.std: Tuple should have at least 1"),
    (change(("models", "resnet8", "preprocess"), {"scale": float("inf")}), "preprocess.scale: Input should be a"),
    (change(("data", "cifar10-calib"), {"synthetic": {}, "samples": 2, "split": "test"}),
     "data.cifar10-calib: split and name go with a Hugging Face dataset"),
    (change(("data", "cifar10-calib", "range"), [0, 1]), "range: [least, greatest] goes with columns: {input: ...}"),
    (change(("variants",), []), "variants: Tuple should have at least 1 item"),
])
def test_a_mistake_is_named(tmp_path, apply, expected):
    document = raw()
    apply(document)
    with pytest.raises(ConfigError) as caught:
        config.load(written(tmp_path, document))
    assert expected in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_missing_file_says_how_to_get_one(tmp_path):
    with pytest.raises(ConfigError, match="edgewright init"):
        config.load(tmp_path / "params.yaml")


def test_broken_yaml_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match="not YAML") as caught:
        config.load(written(tmp_path, "models: [\n"))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_text_is_one_line(tmp_path):
    (tmp_path / "params.yaml").write_bytes(b"models: \xff\xfe")
    with pytest.raises(ConfigError, match="not YAML") as caught:
        config.load(tmp_path / "params.yaml")
    assert "\n" not in str(caught.value)


def test_a_group_of_null_is_the_whole_row():
    recipe = config.AqRecipe.model_validate({"group": 32, "layers": {"a": {"group": None}}})
    assert recipe.layers["a"].model_dump(exclude_unset=True) == {"group": None}


def test_torch_is_not_imported():
    import subprocess
    import sys

    code = "import sys, edgewright.config, edgewright.registry, edgewright.targets; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
