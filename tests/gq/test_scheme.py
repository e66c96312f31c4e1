import pytest

from edgewright.config.schemes import GqScheme
from edgewright.errors import ConfigError
from edgewright.gq.scheme import Resolved
from tests.gq.nets import scheme

SCOPES = [("stage1.conv1", "stage1.conv1:conv2d"), ("stage1.conv2",), ("head",)]


def test_a_pattern_covers_what_lies_below_it_and_later_ones_win():
    layers = {"stage1": "float", "*.conv2": {"bits": 4}}
    resolved = Resolved(scheme(layers=layers), SCOPES)
    assert resolved.at("stage1.conv1").is_exempt
    assert resolved.at("stage1.conv2").weights.bits == 4
    assert resolved.at("stage1.conv2").activations.bits == 8
    assert not resolved.at("head").is_exempt


def test_a_pattern_may_name_one_operator():
    resolved = Resolved(scheme(layers={"stage1.conv1:conv2d": "float"}), SCOPES)
    assert resolved.at(*SCOPES[0]).is_exempt
    assert not resolved.at("stage1.conv1", "stage1.conv1:relu").is_exempt


def test_an_operator_goes_by_the_module_of_its_weight_too():
    resolved = Resolved(scheme(layers={"head": "float"}), SCOPES)
    assert resolved.at("", "head").is_exempt


def test_a_pattern_that_matches_nothing_names_the_nearest():
    with pytest.raises(ConfigError, match=r"gq.w8a8: layers: the pattern 'stage1.conv3' .*stage1.conv"):
        Resolved(scheme(layers={"stage1.conv3": "float"}), SCOPES, "gq.w8a8")


def test_layers_of_nothing_are_refused():
    with pytest.raises(ValueError, match="layers changes what weights or activations say"):
        GqScheme.model_validate({"layers": {"head": {"bits": 8}}})


def test_a_precision_in_short_changes_bits_alone_and_makes_wide_activations_symmetric():
    layers = {"head": "w8a16", "stage1": "w4a8", "stage1.conv2": "float"}
    resolved = Resolved(scheme(layers=layers), SCOPES)
    head, first = resolved.at("head"), resolved.at("stage1.conv1")
    assert (head.weights.bits, head.activations.bits, head.activations.symmetric) == (8, 16, True)
    assert head.activations.calibration == scheme().activations.calibration
    assert (first.weights.bits, first.activations.bits, first.activations.symmetric) == (4, 8, False)
    assert resolved.at("stage1.conv2").is_exempt


def test_what_is_no_precision_is_refused():
    with pytest.raises(ValueError, match="'w3a8' is no precision; one is float, or w and a with their bits"):
        scheme(layers={"head": "w3a8"})
