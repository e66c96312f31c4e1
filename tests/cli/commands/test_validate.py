"""`edgewright validate` and each kind of mistake that it finds, on the workspace that ships."""

import shutil

import pytest
import yaml

from edgewright.engine.init import init
from tests.cli.workspace import call


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    root = tmp_path_factory.mktemp("validate") / "workspace"
    init(root, sample=True)
    return root


@pytest.fixture
def edit(shipped):
    """A function that changes params.yaml, for the length of a test."""
    file = shipped / "params.yaml"
    text = file.read_text()

    def change(path: str, value: object) -> None:
        values = yaml.safe_load(file.read_text())
        *above, last = [int(part) if part.isdigit() else part for part in path.split("/")]
        at = values
        for part in above:
            at = at[part]
        at[last] = value
        file.write_text(yaml.safe_dump(values, sort_keys=False))

    yield change
    file.write_text(text)


def test_the_shipped_configuration_is_right(shipped):
    done = call(shipped, "validate")
    assert (done.stdout, done.stderr, done.returncode) == ("params.yaml is right: 4 variants\n", "", 0)


@pytest.mark.parametrize(
    ("path", "value", "code", "message"),
    [
        ("models/resnet8/taks", "x", 2, "unknown key 'taks' (did you mean 'task'?)"),
        ("aq/awq-w4/algorithms", ["awk"], 2, "aq.awq-w4.algorithms: unknown algorithm 'awk' (did you mean 'awq'?)"),
        ("models/resnet8/weights", "no.safetensors", 2, "models.resnet8.weights: no such file: no.safetensors"),
        ("models/resnet8/factory", "data.samples.models.resnet8_cifar10.model:create_modle", 2,
         "defines no 'create_modle' (did you mean 'create_model'?)"),
        ("data/cifar10-calib/columns", {"image": "img", "label": "label"}, 3,
         "data.cifar10-calib.columns.image: data/samples/cifar10_calib.parquet has no column 'img'"),
        ("variants/1/gq", "w4a8-dynamic", 2, "target ethos-u85-256 cannot run"),
        ("gq/w8a8/activations/bits", 16, 2,
         "gq.w8a8: target xnnpack cannot run any operator with 8-bit weights per channel and static 16-bit "
         "activations (xnnpack.yaml: operators.linear: quantized: [w8a8, w8a8-tensor, w8a8-dynamic, w4a8-dynamic]); "
         "nearest: w8a8 "),
        ("variants/1/target", "ethos-u85", 2, "unknown target 'ethos-u85' (did you mean 'ethos-u85-"),
        ("gq/w8a8/activations/calibration/method", "histogramm", 2, "(did you mean 'histogram'?)"),
        ("aq/awq-w4/options", {"gptq": {}}, 2, "aq.awq-w4.options: the recipe does not use 'gptq'"),
        ("variants/0/model", "english_llama", 2, "no entry 'english_llama' in model (did you mean 'english-llama'?)"),
    ],
)
def test_each_mistake_is_named(shipped, edit, path, value, code, message):
    edit(path, value)
    done = call(shipped, "validate")
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert all(line.startswith("error: ") for line in done.stderr.splitlines())


def test_a_corrupt_parquet_is_found_before_any_compute(shipped):
    file = shipped / "data/samples/cifar10_calib.parquet"
    kept = shutil.copy(file, shipped / "kept")
    try:
        file.write_bytes(b"PAR1 is not enough")
        done = call(shipped, "validate")
        assert done.returncode == 3
        assert "cifar10_calib.parquet: not readable as parquet" in done.stderr
    finally:
        shutil.move(kept, file)


def test_all_mistakes_are_told_at_once(shipped, edit):
    edit("variants/1/target", "ethos-u85")
    edit("aq/awq-w4/algorithms", ["awk"])
    lines = call(shipped, "validate").stderr.splitlines()
    assert len(lines) >= 2
    assert len(lines) == len(set(lines))
