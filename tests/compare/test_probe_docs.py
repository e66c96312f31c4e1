"""The examples of docs/probe.md."""

import json
from dataclasses import fields

import yaml

from edgewright import gq, ir, targets
from edgewright.compare.artifact import load
from edgewright.compare.compare import compare
from edgewright.compare.sums import Figures
from edgewright.config import GqScheme
from tests.gq.nets import W8A8, noise, sample_of, scheme, small
from tests.support import ROOT, blocks

PAGE = "docs/probe.md"


def test_the_python_example_runs(tmp_path, monkeypatch, capsys):
    program, sample = small(), sample_of(noise())
    ir.save(program, tmp_path / "program.pt2")
    ir.save(gq.quantize(program, targets.load("xnnpack"), scheme(), sample).program, tmp_path / "quantized.pt2")
    sample.save(tmp_path / "sample.parquet")
    monkeypatch.chdir(tmp_path)
    (code,) = blocks(PAGE, "python")
    found = {}
    exec(compile(code, PAGE, "exec"), found)
    assert found["found"].modules[0].scope in capsys.readouterr().out
    value = compare(*(load(tmp_path / name, name, tmp_path) for name in ("program.pt2", "quantized.pt2")), sample,
                    histograms=True).json_value()  # fmt: skip
    text = (ROOT / PAGE).read_text()
    keys = {*value, *value["modules"][0], *value["parts"], *(item.name for item in fields(Figures))}
    keys |= {*value["modules"][0]["activations"]}
    assert json.dumps(value)
    assert [key for key in sorted(keys) if f"`{key}`" not in text] == []


def test_the_lines_of_the_page_are_layers_of_a_scheme():
    (text,) = blocks(PAGE, "yaml")
    changed = GqScheme.model_validate({**W8A8, "layers": yaml.safe_load(text)})
    assert set(changed.layers) == {"conv", "stage1:add", "stage1.relu2"}
