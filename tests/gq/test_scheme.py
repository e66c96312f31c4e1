import pytest

from edgewright.config.schema import GqScheme
from edgewright.errors import ConfigError
from edgewright.gq.scheme import Resolved
from tests.gq.nets import scheme

SCOPES = ["stage1.conv1", "stage1.conv2", "head"]


def test_a_pattern_covers_what_lies_below_it_and_later_ones_win():
    layers = {"stage1": "float", "*.conv2": {"bits": 4}}
    resolved = Resolved(scheme(layers=layers), SCOPES)
    assert resolved.at("stage1.conv1").is_exempt
    assert resolved.at("stage1.conv2").weights.bits == 4
    assert resolved.at("stage1.conv2").activations.bits == 8
    assert not resolved.at("head").is_exempt


def test_an_operator_goes_by_the_module_of_its_weight_too():
    resolved = Resolved(scheme(layers={"head": "float"}), SCOPES)
    assert resolved.at("", "head").is_exempt


def test_a_pattern_that_matches_nothing_names_the_nearest():
    with pytest.raises(ConfigError, match=r"gq.w8a8: layers: the pattern 'stage1.conv3' .*stage1.conv"):
        Resolved(scheme(layers={"stage1.conv3": "float"}), SCOPES, "gq.w8a8")


def test_layers_of_nothing_are_refused():
    with pytest.raises(ValueError, match="layers changes what weights or activations say"):
        GqScheme.model_validate({"layers": {"head": {"bits": 8}}})
