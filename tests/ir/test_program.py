"""A Program is canonical, keeps module scopes, and refuses what breaks its invariants."""

import hashlib
import os
import subprocess
import sys
from functools import cache

import pytest
import torch
from torch import nn

from edgewright import ir
from edgewright.errors import InputError
from edgewright.models.load import export

NAMES = ["resnet8_cifar10", "resnet20_cifar10", "autoencoder_toycar", "stories260k_llama", "english_llama"]


@pytest.fixture(scope="session")
def exported(loaded):
    """A function from the name of a shipped model to its Program; do not change it."""
    return cache(lambda name: export(loaded(name)))


def digest(program, path):
    ir.save(program, path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def inputs_of(program, batch=3):
    torch.manual_seed(0)
    return tuple(
        torch.randint(0, 256, tensor.shape) if tensor.dtype == torch.int64 else torch.randn(tensor.shape)
        for tensor in ir.example_inputs(program, batch)[0]
    )


@pytest.mark.parametrize("name", NAMES)
def test_saving_and_editing_reach_a_fixed_point(loaded, exported, tmp_path, name):
    program = exported(name)
    first = digest(program, tmp_path / "a.pt2")
    assert digest(ir.load(tmp_path / "a.pt2"), tmp_path / "elsewhere.pt2") == first
    once = ir.relift(ir.unlift(program), program)
    assert digest(ir.relift(ir.unlift(once), once), tmp_path / "b.pt2") == digest(once, tmp_path / "c.pt2")
    inputs = inputs_of(program)
    assert torch.equal(ir.unlift(once)(*inputs), loaded(name).module(*inputs))


def test_torch_opens_a_saved_program(loaded, exported, tmp_path):
    ir.save(exported("resnet8_cifar10"), tmp_path / "p.pt2")
    images = torch.randn(5, 3, 32, 32)
    reopened = torch.export.load(tmp_path / "p.pt2").module()
    assert torch.equal(reopened(images), loaded("resnet8_cifar10").module(images))


def test_bytes_do_not_depend_on_the_process(model_folder, tmp_path):
    code = (
        "import hashlib, io, sys; from pathlib import Path; from edgewright import ir;"
        "from edgewright.models.load import load, export;"
        "path = Path(sys.argv[2]); ir.save(export(load(Path(sys.argv[1]))), path);"
        "print(hashlib.sha256(path.read_bytes()).hexdigest())"
    )
    digests = set()
    for seed in ("0", "1"):
        folder = tmp_path / seed
        folder.mkdir()
        arguments = [sys.executable, "-c", code, str(model_folder("stories260k_llama")), str(folder / f"{seed}.pt2")]
        environment = os.environ | {"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": str(1 + int(seed))}
        digests.add(subprocess.run(arguments, check=True, capture_output=True, text=True, env=environment).stdout)
    assert len(digests) == 1


@pytest.mark.parametrize("name", NAMES)
def test_every_operator_has_a_scope_and_its_origin(loaded, exported, name):
    program = ir.relift(ir.unlift(exported(name)), exported(name))
    modules = {path for path, _ in loaded(name).module.named_modules()}
    for node in program.graph.nodes:
        if node.op == "call_function":
            assert ir.scope(node) in modules
            assert node.meta["custom"]["from"]
    described = ir.describe(program)
    if "llama" in name:
        assert described["scopes"]["model.layers.0.mlp.down_proj"] == {"linear": 1}


def test_batch_stays_dynamic_and_can_be_fixed(exported):
    program = exported("resnet8_cifar10")
    assert ir.describe(program)["inputs"][0]["shape"] == ["batch", 3, 32, 32]
    assert ir.describe(ir.specialize(program, 1))["inputs"][0]["shape"] == [1, 3, 32, 32]


class FixedBatch(nn.Module):
    def forward(self, x):
        return x.reshape(4, 6)


def test_a_fixed_batch_is_kept_where_the_model_wants_one():
    program = ir.export(FixedBatch().eval(), [((6,), torch.float32)], batch=4)
    assert ir.describe(program)["inputs"][0]["shape"] == [4, 6]
    with pytest.raises(InputError, match="fixed batch size 4: set export.batch"):
        ir.specialize(program, 1)


class Branch(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        return x + self.calls


def test_what_does_not_export_is_named_by_module(capfd):
    model = nn.Sequential(nn.Linear(3, 3), nn.Sequential(nn.ReLU(), Branch())).eval()
    with pytest.raises(InputError, match=r"module '1\.1' does not export") as caught:
        ir.export(model, [((3,), torch.float32)])
    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)
    assert "def forward" not in "".join(capfd.readouterr())


def test_state_in_the_forward_pass_is_refused():
    with pytest.raises(InputError, match="'calls' is written to by the forward pass"):
        ir.export(Counting().eval(), [((3,), torch.float32)])


class DataDependent(nn.Module):
    def forward(self, x):
        return torch.nonzero(x.sum(1)) * 2


def test_sizes_that_depend_on_the_data_are_refused():
    model = nn.Sequential(nn.Linear(3, 3), DataDependent()).eval()
    with pytest.raises(InputError, match=r"operator aten\.nonzero\.default in module '1' gives a tensor whose size"):
        ir.export(model, [((3,), torch.float32)])


class Transposed(nn.Module):
    def forward(self, x):
        return x.transpose(0, 1)


def test_the_batch_may_move_to_another_dimension():
    model = nn.Sequential(Transposed(), nn.TransformerEncoderLayer(8, 2, 16), Transposed()).eval()
    program = ir.export(model, [((5, 8), torch.float32)])
    assert ir.describe(program)["outputs"] == [{"shape": ["batch", 5, 8], "dtype": "float32"}]


class InPlace(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.activation = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True)

    def forward(self, x):
        y = self.activation(self.norm(self.conv(x)))
        y += 1
        return y


def test_in_place_operators_become_functional():
    model = InPlace().eval()
    program = ir.export(model, [((3, 8, 8), torch.float32)])
    assert ir.describe(program)["operators"] == {"add": 1, "batch_norm": 1, "conv2d": 1, "relu": 1}
    assert "norm" in ir.describe(program)["scopes"]
    images = torch.randn(2, 3, 8, 8)
    assert torch.equal(ir.unlift(program)(images), model(images))


def test_a_file_that_is_no_program_is_one_line(tmp_path):
    path = tmp_path / "p.pt2"
    path.write_bytes(b"no archive")
    with pytest.raises(InputError, match="not an exported program") as caught:
        ir.load(path)
    assert "\n" not in str(caught.value)


def test_a_new_node_is_adopted_and_keeps_scope_through_a_relift(exported):
    program = exported("resnet8_cifar10")
    module = ir.unlift(program)
    add = next(node for node in module.graph.nodes if ir.operator_name(node.target) == "add")
    relu = next(iter(add.users))
    with module.graph.inserting_after(add):
        new = module.graph.call_function(torch.ops.aten.clone.default, (add,))
    new.meta["val"] = add.meta["val"]
    relu.replace_input_with(add, new)
    ir.adopt(new, [add, relu], rule="test")
    edited = ir.relift(module, program)
    clone = next(node for node in edited.graph.nodes if ir.operator_name(node.target) == "clone")
    assert ir.scope(clone) == "stage1"
    assert clone.meta["custom"]["rules"] == ["test"]
    assert len(clone.meta["custom"]["from"]) == 2


def test_a_constant_takes_over_the_name_of_what_it_replaces(exported):
    program = exported("resnet8_cifar10")
    module = ir.unlift(program)
    weight = next(node for node in module.graph.nodes if node.op == "get_attr" and node.target == "conv.weight")
    conv = next(iter(weight.users))
    new = ir.constant(module, ir.tensor_of(module, weight) * 2, "conv.weight", conv)
    assert new.target == "conv.weight_1"
    conv.replace_input_with(weight, new)
    edited = ir.relift(module, program)
    names = [spec.target for spec in edited.graph_signature.input_specs]
    assert "conv.weight" in names
    assert "conv.weight_1" not in names


class Numbered(nn.Module):
    def __init__(self):
        super().__init__()
        self.gamma_1, self.gamma_2 = nn.Parameter(torch.ones(3)), nn.Parameter(torch.zeros(3))

    def forward(self, x):
        return x * self.gamma_1 + self.gamma_2


def test_names_that_end_in_a_number_are_the_users_own():
    program = ir.export(Numbered().eval(), [((3,), torch.float32)])
    edited = ir.relift(ir.unlift(program), program)
    assert list(edited.graph_signature.parameters) == ["gamma_1", "gamma_2"]
    module = ir.unlift(program)
    old = next(node for node in module.graph.nodes if node.target == "gamma_2")
    new = ir.constant(module, torch.ones(3), "gamma_2", old)
    old.replace_all_uses_with(new)
    edited = ir.relift(module, program)
    assert [spec.target for spec in edited.graph_signature.input_specs][:2] == ["gamma_1", "gamma_2"]
