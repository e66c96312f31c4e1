import pytest
import torch

from edgewright.aq.selection import select
from edgewright.config import AqRecipe
from edgewright.errors import ConfigError, InputError
from tests.aq.nets import Cnn, Logits, make


def _select(module, **fields):
    selection = select(module, AqRecipe(**fields))
    return {layer.name: layer for layer in selection.layers}, {item.module: item.reason for item in selection.skipped}


def test_all_but_a_tied_head():
    layers, skipped = _select(Logits(tie_word_embeddings=True))
    assert len(layers) == 21
    assert skipped == {"net.lm_head": "its weight is tied to net.model.embed_tokens"}


def test_a_head_that_is_not_tied_is_quantized():
    assert "net.lm_head" in _select(Logits(tie_word_embeddings=False))[0]


def test_patterns_choose_by_path_container_and_class():
    layers, skipped = _select(
        Logits(tie_word_embeddings=True),
        group=8,
        layers={
            "*.mlp.*": {"bits": 8}, "*.down_proj": {"group": None, "symmetric": False},
            "net.model.layers.1": "skip", "net.lm_head": {"bits": 8, "algorithms": ["rtn"]},
        },
    )  # fmt: skip
    assert layers["net.lm_head"].grid.bits == 8
    assert layers["net.lm_head"].algorithms == ("rtn",)
    down = layers["net.model.layers.0.mlp.down_proj"].grid
    assert (down.bits, down.group, down.symmetric) == (8, None, False)
    assert layers["net.model.layers.0.self_attn.q_proj"].grid.bits == 4
    assert sum("layers.1." in name for name in skipped) == 7
    assert set(skipped.values()) == {"skipped by layers"}


def test_a_class_name():
    layers, _ = _select(Cnn(), layers={"Conv2d": {"bits": 8}})
    assert {name: layer.grid.bits for name, layer in layers.items() if layer.grid.bits == 4} == {"head": 4}


def test_a_pattern_that_matches_nothing_names_the_nearest():
    with pytest.raises(ConfigError, match=r"the pattern 'heat' matches no Linear or Conv2d \(did you mean 'head'"):
        _select(Cnn(), layers={"heat": "skip"})


def test_weights_that_are_not_finite_are_refused_by_name():
    module = make("mlp")[0].module
    module[2].weight[1, 1] = torch.nan
    with pytest.raises(InputError, match="2: weights are NaN or infinite"):
        _select(module)


def test_a_group_larger_than_the_row_is_refused_by_name():
    with pytest.raises(InputError, match="depthwise: group of 10 is larger than its row of 9 columns"):
        _select(Cnn(), group=10)
    assert "depthwise" in _select(Cnn(), group=10, layers={"depthwise": {"group": None}, "pointwise": "skip"})[0]


def test_a_model_without_layers_is_refused():
    with pytest.raises(InputError, match="no Linear or Conv2d"):
        _select(torch.nn.Sequential(torch.nn.ReLU()))


def test_an_embedding_is_quantized_only_where_a_pattern_names_it():
    table = "net.model.embed_tokens"
    for layers, expected in (
        ({}, []), ({"*": {"bits": 3}}, []), ({"net": {"bits": 3}}, []), ({table: "skip"}, []),
        ({table: {"bits": 8}}, [8]), ({"*embed*": {"bits": 2}}, [2]), ({"Embedding": {"group": 8}}, [4]),
    ):  # fmt: skip
        found = select(Logits(), AqRecipe(layers=layers)).embeddings
        assert [layer.grid.bits for layer in found] == expected, layers
        assert all(layer.algorithms == ("rtn",) for layer in found)


def test_an_embedding_takes_no_algorithm_that_needs_inputs():
    with pytest.raises(ConfigError, match="embed_tokens: algorithms: an embedding is rounded to nearest"):
        select(Logits(), AqRecipe(layers={"net.model.embed_tokens": {"algorithms": ["awq"]}}))
