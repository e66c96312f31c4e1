"""The examples of docs/gq.md work."""

import json
import re

import pytest
import yaml

from edgewright import gq, ir, targets
from edgewright.config.schemes import GqScheme
from edgewright.gq import validate
from tests.gq.nets import noise, sample_of, scheme, small
from tests.support import ROOT, blocks

PAGE = "docs/gq.md"


@pytest.mark.parametrize(
    ("name", "values"), [item for block in blocks(PAGE, "yaml") for item in yaml.safe_load(block).items()]
)
def test_a_documented_scheme_runs_on_xnnpack(name, values):
    validate.check(targets.load("xnnpack"), GqScheme.model_validate(values), f"gq.{name}")


def test_the_documented_encodings_have_the_form_that_is_written():
    written = gq.quantize(small(), targets.load("xnnpack"), scheme(), sample_of(noise())).encodings
    (documented,) = map(json.loads, blocks(PAGE, "json"))
    assert documented.keys() == written.keys()
    for key in ("tensors", "weights", "corrections"):
        assert documented[key][0].keys() == written[key][0].keys()
    gq.Overrides.parse(documented, "docs/gq.md")


def test_the_documented_call_runs(tmp_path, monkeypatch):
    first = gq.quantize(small(), targets.load("xnnpack"), scheme(), sample_of(noise()))
    ir.save(small(), tmp_path / "program.pt2")
    sample_of(noise()).save(tmp_path / "sample.parquet")
    (tmp_path / "encodings.json").write_text(json.dumps(first.encodings))
    monkeypatch.chdir(tmp_path)
    found = {}
    (code,) = blocks(PAGE, "python")
    exec(code, found)
    assert {item["method"] for item in found["quantized"].encodings["tensors"]} == {"encodings"}


def test_every_method_and_its_defaults_are_documented():
    from dataclasses import fields

    from edgewright import registry
    from edgewright.gq import calibration

    for name in registry.names(calibration.PACKAGE):
        line = re.findall(rf"^\| `{name}` \| .*\|$", (ROOT / PAGE).read_text(), re.MULTILINE)[0]
        for field in fields(registry.load(calibration.PACKAGE, name).Method):
            assert f"`{field.name}` ({field.default:g})" in line


def test_the_limits_of_clipping_are_documented():
    from edgewright.config.schemes import Calibration
    from edgewright.gq.ranges import NOTABLE_CLIPPED

    text = (ROOT / PAGE).read_text()
    assert f"`max_clipped` ({Calibration().max_clipped:g})" in text
    assert f"More than {NOTABLE_CLIPPED:.0%} is a warning".replace("%", " %") in text


def test_every_rounding_method_and_correction_is_documented_with_its_defaults():
    from dataclasses import fields

    from edgewright import registry
    from edgewright.gq import corrections, rounding

    page = (ROOT / PAGE).read_text()
    for name in registry.names(rounding.PACKAGE):
        line = re.findall(rf"^\| `{name}` \| .*\|$", page, re.MULTILINE)[0]
        for field in fields(registry.load(rounding.PACKAGE, name).Method):
            assert f"`{field.name}` ({field.default:g})" in line
    for name in registry.names(corrections.PACKAGE):
        assert re.findall(rf"^\| `{name}` \| .*\|$", page, re.MULTILINE)
