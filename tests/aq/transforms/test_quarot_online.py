"""R4: rotations of the input of down projections at run time."""

import pytest
import torch
from torch import nn

from edgewright import aq, ir
from edgewright.aq.rotation.online import obstacle
from edgewright.aq.structure import trace
from edgewright.aq.transforms import quarot
from edgewright.aq.transforms.quarot import Algorithm, Options
from edgewright.config import AqRecipe
from edgewright.errors import InputError
from edgewright.files import read_json
from edgewright.models import quantized
from edgewright.models.load import load
from edgewright.models.quantized import QuantizedLinear
from edgewright.models.rotated import rotated_modules
from edgewright.rotation.rotation import online_rotation
from tests.aq.architectures import ARCHITECTURES, widen
from tests.aq.nets import NETS, make, outputs, relative, whole
from tests.aq.test_checkpoint import _sample
from tests.support import ROOT

_DOWN = {"llama": "down_proj", "layer-norm": "fc2", "qwen3": "down_proj", "phi": "fc2", "gpt-neox": "dense_4h_to_h",
         "gpt2": "c_proj", "opt": "fc2", "vit": "fc2"}  # fmt: skip
_ONLINE = {"quarot": {"online": True}}


def _applied(net, dtype=torch.float32, **options):
    model, sample = make(net)
    if dtype == torch.float64:
        widen(model.module)
    block = whole(model, sample, AqRecipe(algorithms=("quarot",), bits=4))
    with torch.no_grad():
        applied = Algorithm(Options(online=True, **options)).apply(block, list(block.layers))
    return model, sample, block, applied


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-4), (torch.float64, 1e-9)])
@pytest.mark.parametrize("net", [*NETS, *ARCHITECTURES])
def test_the_function_stays_and_changed_layers_are_named(net, dtype, bound):
    model, sample = make(net)
    if dtype == torch.float64:
        widen(model.module)
    before = outputs(model, sample)
    turned, _, block, applied = _applied(net, dtype)
    assert relative(outputs(turned, sample), before) < bound
    assert {*applied.layers, *(item.module for item in applied.skipped)} == set(block.layers)
    assert rotated_modules(turned.module).keys() <= set(applied.layers)


@pytest.mark.parametrize("net", _DOWN)
def test_it_is_the_down_projections_whose_input_is_rotated_and_they_are_counted(net):
    model, _, _, applied = _applied(net, residual=False, heads=False)
    turned = rotated_modules(model.module)
    blocks = 3 if net == "llama" else 2
    assert len(turned) == blocks
    assert {name.rpartition(".")[2] for name in turned} == {_DOWN[net]}
    assert not any("attn" in name or "attention" in name for name in turned)
    assert set(applied.layers) == turned.keys()
    first = next(iter(turned.values())).rotation
    (note,) = applied.notes
    assert note.startswith(f"{blocks} online rotations of width {first.width} (before {next(iter(turned))}")
    assert note.endswith(f": {blocks * first.width * sum(first.orders)} more multiply-adds for each token")


@pytest.mark.parametrize("net", ["gemma2", "fused-gate", "cnn", "mlp"])
def test_where_there_is_none_it_is_said(net):
    model, _, _, applied = _applied(net)
    assert not rotated_modules(model.module)
    assert any(note.startswith("no online rotation: no layer") for note in applied.notes)


def test_without_being_asked_for_there_is_none():
    model, sample = make("llama")
    result = aq.quantize(model, sample, AqRecipe(algorithms=("quarot",), bits=8))
    assert all(item.format.rotation is None for item in quantized.quantized_modules(model.module).values())
    assert not any("online" in note for note in result.transforms["quarot"].notes)


def test_layers_that_share_a_weight_or_have_no_hadamard_matrix_have_the_reason():
    model, _ = make("layer-norm")
    first, second = (block.fc2 for block in model.module.blocks)
    assert obstacle(model.module, "blocks.0.fc2") is None
    second.weight = first.weight
    assert obstacle(model.module, "blocks.0.fc2") == "it shares its weight with blocks.1.fc2"
    model.module.head = nn.Linear(25, 2)
    assert "no Hadamard matrix" in obstacle(model.module, "head")


def test_a_layer_with_an_obstacle_is_left_and_noted(monkeypatch):
    monkeypatch.setattr(quarot, "online_obstacle", lambda _, name: "why" if ".0." in name else None)
    model, _, _, applied = _applied("layer-norm")
    assert "blocks.0.fc2: no online rotation: why" in applied.notes
    assert list(rotated_modules(model.module)) == ["blocks.1.fc2"]


def test_a_function_that_changed_is_taken_back_to_plain_layers(monkeypatch):
    monkeypatch.setattr(quarot, "_tolerance", lambda *_: -1.0)
    model, _, _, applied = _applied("llama")
    untouched, _ = make("llama")
    assert applied.layers == ()
    assert not rotated_modules(model.module)
    assert type(model.module.net.model.layers[0].mlp.down_proj) is nn.Linear
    assert all(torch.equal(value, untouched.module.state_dict()[name])
               for name, value in model.module.state_dict().items())


@torch.no_grad()
def test_the_hessian_is_that_of_the_rotated_input():
    model, sample = make("llama")
    plain = whole(model, sample, AqRecipe(bits=4))
    name = "net.model.layers.1.mlp.down_proj"
    before = plain.statistics(name).hessian[0].double()
    _, _, block, _ = _applied("llama", residual=False, heads=False)
    turn = online_rotation(44, 0).dense()
    torch.testing.assert_close(block.statistics(name).hessian[0].double(), turn.T @ before @ turn,
                               rtol=1e-4, atol=1e-4 * float(before.abs().max()))


@torch.no_grad()
def test_up_and_down_are_no_pair_any_more():
    model, sample, block, _ = _applied("llama")
    batch = torch.from_numpy(sample.inputs["x"])
    structure = trace(model.module, lambda: model.module(batch))
    consumers = {consumer.layer for pair in structure.pairs for consumer in pair.consumers}
    assert not any("down_proj" in name for name in consumers)
    assert any("down_proj" in item.layer for pair in block.structure.pairs for item in pair.consumers)
    assert "no norm or layer before it" in structure.unpaired["net.model.layers.0.mlp.down_proj"]
    assert set(structure.order) == set(block.structure.order)


@pytest.mark.parametrize("others", [("awq", "rtn"), ("smoothquant", "gptq"), ("gptq",), ("autoround",), ("hqq",)])
def test_other_algorithms_follow_it(others):
    model, sample = make("llama")
    before = outputs(model, sample)
    options = _ONLINE | ({"autoround": {"iterations": 3}} if "autoround" in others else {})
    aq.quantize(model, sample, AqRecipe(algorithms=("quarot", *others), options=options, bits=8))
    assert relative(outputs(model, sample), before) < 0.05
    down = model.module.net.model.layers[2].mlp.down_proj
    assert isinstance(down, QuantizedLinear)
    assert down.format.rotation == 0


def test_outliers_before_down_are_spread_and_cost_less():
    found = {}
    for online in (False, True):
        model, sample = make("llama")
        for block in model.module.net.model.layers:
            block.mlp.up_proj.weight.data[5] *= 60.0
            block.mlp.down_proj.weight.data[:, 5] /= 60.0
        options = {"quarot": {"online": online}}
        aq.quantize(model, sample, AqRecipe(algorithms=("quarot", "rtn"), options=options, bits=8))
        net = model.module.net.model.layers[1].mlp.down_proj
        peaks = []
        turn = net.rotation or nn.Identity()
        net.register_forward_pre_hook(lambda _, args, turn=turn, peaks=peaks: peaks.append(turn(args[0])))
        outputs(model, sample)
        found[online] = float((peaks[0].abs().amax(-1) / peaks[0].square().mean(-1).sqrt()).mean())
    assert found[True] < 0.7 * found[False]


def test_runs_are_equal_and_go_on_where_one_was_stopped(tmp_path):
    found = []
    for resume in (None, tmp_path, tmp_path):
        model, sample = make("llama")
        aq.quantize(model, sample, AqRecipe(algorithms=("quarot", "rtn"), options=_ONLINE, bits=4, group=8),
                    resume=resume)
        found.append((model.module.state_dict(), outputs(model, sample)))
    for state, output in found[1:]:
        assert torch.equal(output, found[0][1])
        assert all(torch.equal(value, found[0][0][name]) for name, value in state.items())


def test_a_checkpoint_loads_as_what_was_saved_and_exports(model_folder, tmp_path):
    source = model_folder("stories260k_llama")
    model = load(source, ROOT)
    sample = _sample(model)
    recipe = AqRecipe(algorithms=("quarot", "gptq"), options=_ONLINE, bits=4, group=32)
    aq.save(aq.quantize(model, sample, recipe), source, tmp_path / "aq", ("native", "dequantized"))
    x = torch.from_numpy(next(sample.batches(2))[0])
    again, plain = load(tmp_path / "aq", ROOT), load(tmp_path / "aq" / "dequantized", ROOT)
    with torch.no_grad():
        expected = model.module(x)
        assert torch.equal(again.module(x), expected)
        torch.testing.assert_close(plain.module(x), expected, rtol=1e-4, atol=1e-4)
    assert again.module.model.layers[0].mlp.down_proj.format.rotation == 0
    program = ir.export(again.module, [((48,), torch.int64)])
    torch.testing.assert_close(program.module()(x), expected, rtol=1e-4, atol=1e-4)
    matrices = [value for value in program.constants.values() if tuple(value.shape) == (172, 172)]
    assert len({value.data_ptr() for value in matrices}) == 1


def test_another_layout_says_which_layer_it_cannot_hold(model_folder, tmp_path):
    source = model_folder("stories260k_llama")
    model = load(source, ROOT)
    result = aq.quantize(model, _sample(model), AqRecipe(algorithms=("quarot",), options=_ONLINE, bits=4, group=4))
    with pytest.raises(InputError, match=r"model\.layers\.0\.mlp\.down_proj: its input is rotated at run time"):
        aq.save(result, source, tmp_path / "aq", ("compressed-tensors",))
    aq.save(result, source, tmp_path / "aq")
    report = read_json(tmp_path / "aq" / "layers.json")
    assert report["checkpoint"]["layout"] == "native"
    assert "its input is rotated" in report["checkpoint"]["reason"]
