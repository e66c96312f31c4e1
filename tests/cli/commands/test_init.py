"""`edgewright init` from the command line; its examples."""

import shlex
import shutil

import pytest

from edgewright.cli.commands.init import EXAMPLES
from tests.cli.workspace import call
from tests.engine.workspace import REPOSITORY

SAMPLES = REPOSITORY / "data/samples"


@pytest.fixture
def folder(tmp_path):
    """A user's folder with the files that the examples name."""
    shutil.copytree(SAMPLES / "models/english_llama", tmp_path / "models/llama")
    shutil.copy(SAMPLES / "english_calib.parquet", tmp_path / "text.parquet")
    shutil.copy(SAMPLES / "cifar10_calib.parquet", tmp_path / "images.parquet")
    shutil.copy(SAMPLES / "models/resnet8_cifar10/model.safetensors", tmp_path / "small.safetensors")
    return tmp_path


@pytest.mark.parametrize("line", [line for line, _ in EXAMPLES])
def test_the_examples_work(folder, line):
    words = shlex.split(line)
    done = call(folder, *words[1:])
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("mine: workspace written; next: cd mine, ")
    if "nets.small:create" in words:
        (folder / "mine/nets").mkdir()
        shutil.copy(SAMPLES / "models/resnet8_cifar10/model.py", folder / "mine/nets/small.py")
        text = (folder / "mine/nets/small.py").read_text()
        (folder / "mine/nets/small.py").write_text(text.replace("def create_model", "def create"))
    checked = call(folder / "mine", "validate")
    if words == ["edgewright", "init", "mine"]:
        assert checked.returncode in (2, 3)
        assert "Traceback" not in checked.stderr
    else:
        assert checked.returncode == 0, checked.stderr
        assert call(folder / "mine", "plan").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "models/llama"], "--data, --target missing: --model, --data and --target go together"),
        (["--task", "regression"], "--model, --data, --target missing"),
        (["--model", "models/llama", "--data", "text.parquet", "--target", "xnpack"], "did you mean 'xnnpack'"),
        (["--model", "models/llam/a", "--data", "text.parquet", "--target", "xnnpack"], "--task: not to be seen from"),
        (["--model", "models/llama", "--data", "no.parquet", "--target", "xnnpack"], "--data: no such file"),
        (["--model", "models/llama", "--data", "images.parquet", "--target", "xnnpack"],
         "images.parquet has no column 'text'"),
        (["--model", "m:f", "--data", "images.parquet", "--target", "xnnpack", "--task", "image-classification"],
         "give --weights FILE.safetensors and --shape"),
        (["--model", "m:f", "--data", "images.parquet", "--target", "xnnpack", "--shape", "3x32"],
         "write it as 3,32,32"),
        (["--model", "models/llama", "--data", "text.parquet", "--target", "xnnpack", "--column", "text"], "ROLE=NAME"),
        (["--model", "models/llama", "--data", "text.parquet", "--target", "xnnpack", "--sample"], "either it or"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(folder, arguments, message):
    done = call(folder, "init", "mine", *arguments)
    assert done.returncode in (2, 3)
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert not (folder / "mine").exists()
