"""Whole models, optimized for targets that differ."""

import importlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.export import ExportedProgram

from edgewright import ir
from edgewright.errors import InputError
from edgewright.go.optimize import Optimized, optimize
from edgewright.go.pattern import aten
from edgewright.go.rule import Class, Rule

MODELS = Path(__file__).parents[2] / "data" / "samples" / "models"
Export = Callable[..., ExportedProgram]


def _classifier(name: str) -> nn.Module:
    module: nn.Module = importlib.import_module(f"data.samples.models.{name}.model").create_model()
    module.load_state_dict(load_file(MODELS / name / "model.safetensors"))
    return module.eval()


class _Logits(nn.Module):
    def __init__(self, folder: Path) -> None:
        super().__init__()
        from transformers import AutoModelForCausalLM

        self.inner = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.inner(input_ids=input_ids, use_cache=False).logits
        return logits


@pytest.fixture(scope="module")
def llama() -> tuple[nn.Module, ExportedProgram]:
    module = _Logits(MODELS / "english_llama")
    return module, ir.export(module, [((64,), torch.int64)])


def _check(module: nn.Module, optimized: Optimized, *inputs: torch.Tensor) -> None:
    """The output is that of the model at another batch size than the samples', and every node has a scope."""
    ir.verify(optimized.program)
    with torch.no_grad():
        was, now = module(*inputs), optimized.program.module()(*inputs)
    assert float((was - now).abs().max()) <= 1e-4 * float(was.abs().max())
    assert not [firing for firing in optimized.firings if firing.rolled_back]
    assert all(firing.witness for firing in optimized.firings if firing.rule != "drop-asserts")


@pytest.mark.parametrize(("name", "shape", "norms"), [
    ("resnet8_cifar10", (3, 32, 32), 7), ("resnet20_cifar10", (3, 32, 32), 19), ("autoencoder_toycar", (640,), 9)])
def test_batch_norms_are_folded(
    name: str, shape: tuple[int, ...], norms: int, export: Export, make_target: Callable[..., Any]
) -> None:
    module, x = _classifier(name), torch.randn(3, *shape)
    optimized = optimize(export(module, x), make_target(global_pool="mean", channel_pad_shortcut="conv2d"), (x,))
    _check(module, optimized, torch.randn(5, *shape))
    assert "batch_norm" not in optimized.operators_after
    assert sum(firing.rule.startswith("batch-norm-into") for firing in optimized.firings) == norms
    assert not {"avg_pool2d", "adaptive_avg_pool2d", "slice"} & optimized.operators_after.keys()


def test_shortcut_and_pool_follow_the_target(export: Export, make_target: Callable[..., Any]) -> None:
    module, x = _classifier("resnet20_cifar10"), torch.randn(2, 3, 32, 32)
    program = export(module, x)
    converted = optimize(program, make_target(channel_pad_shortcut="conv2d"), (x,)).operators_after
    kept = optimize(program, make_target(), (x,)).operators_after
    assert (converted["conv2d"], converted.get("pad", 0)) == (21, 0)
    assert (kept["conv2d"], kept["pad"], kept["slice"], kept["adaptive_avg_pool2d"]) == (19, 2, 4, 1)


def test_llama_keeps_no_mask_position_or_rotary_arithmetic(
    llama: tuple[nn.Module, ExportedProgram], make_target: Callable[..., Any]
) -> None:
    module, program = llama
    optimized = optimize(program, make_target("linear"), (torch.randint(0, 2048, (2, 64)),))
    _check(module, optimized, torch.randint(0, 2048, (3, 64)))
    assert optimized.operators_after.keys() <= {
        "add", "cat", "embedding", "expand", "linear", "matmul", "mean", "mul", "neg", "pow", "reshape", "rsqrt",
        "sigmoid", "slice", "softmax", "sym_size", "transpose", "unsqueeze"}
    unlifted = ir.unlift(optimized.program)
    shapes = Counter(tuple(node.meta["val"].shape) for node in unlifted.graph.nodes if node.op == "get_attr")
    assert shapes[1, 1, 64, 64] == 1, "all layers share one mask"
    assert shapes[1, 1, 64, 32] == 2, "and the two rotary tables"


def test_llama_keeps_what_the_target_has_kernels_for(
    llama: tuple[nn.Module, ExportedProgram], make_target: Callable[..., Any]
) -> None:
    module, program = llama
    target = make_target("rms_norm", "silu", "scaled_dot_product_attention")
    optimized = optimize(program, target, (torch.randint(0, 2048, (2, 64)),))
    _check(module, optimized, torch.randint(0, 2048, (1, 64)))
    after = optimized.operators_after
    assert (after["rms_norm"], after["silu"], after["scaled_dot_product_attention"]) == (9, 4, 4)
    assert not {"pow", "rsqrt", "softmax", "sigmoid", "arange", "cumsum", "index", "le", "eq"} & after.keys()


class _Norms(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rms, self.layer = nn.RMSNorm(8, eps=1e-5), nn.LayerNorm(8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.layer(self.rms(x))
        return y


@pytest.mark.parametrize("kernels", [(), ("rms_norm",), ("layer_norm",), ("rms_norm", "layer_norm")])
def test_norms_are_decomposed_only_where_a_kernel_is_missing(
    kernels: tuple[str, ...], export: Export, make_target: Callable[..., Any]
) -> None:
    x = torch.randn(3, 8)
    optimized = optimize(export(_Norms(), x), make_target(*kernels), (x,))
    assert {"rms_norm", "layer_norm"} & optimized.operators_after.keys() == set(kernels)


class _Shortcut(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 1, 1))


class _IntegerLinear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weight", torch.randint(-8, 8, (3, 8), dtype=torch.int8))
        self.register_buffer("scale", torch.rand(3, 2))
        self.register_buffer("zero_point", torch.zeros(3, 2, dtype=torch.int8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = torch.ops.torchao.dequantize_affine(
            self.weight, [1, 4], self.scale, self.zero_point, torch.int8, -8, 7)
        return nn.functional.linear(x, weight)


@pytest.mark.parametrize(("prefers", "operator"), [({}, "linear"), ({"linear": "conv2d"}, "conv2d")])
def test_integer_weights_stay_integers(
    prefers: dict[str, str], operator: str, export: Export, make_target: Callable[..., Any]
) -> None:
    module, x = _IntegerLinear(), torch.randn(4, 8)
    optimized = optimize(export(module, x), make_target(**prefers), (x,))
    _check(module, optimized, torch.randn(2, 8))
    assert optimized.operators_after[operator] == optimized.operators_after["dequantize_affine"] == 1
    stored = [value for value in optimized.program.constants.values() if value.dtype == torch.int8]
    stored += [value for value in optimized.program.state_dict.values() if value.dtype == torch.int8]
    assert any(torch.equal(value.flatten(), module.weight.flatten()) for value in stored)


def test_report_has_the_rows_of_firings_json(export: Export, make_target: Callable[..., Any]) -> None:
    module, x = _classifier("resnet8_cifar10"), torch.randn(2, 3, 32, 32)
    report = optimize(export(module, x), make_target(), (x,)).report()
    assert report["schema"] == 1
    assert report["operators_before"]["batch_norm"] == 7
    assert {row["class"] for row in report["firings"]} == {"folded"}
    (first, second) = report["refused"]
    assert first == {"rule": "pad-into-conv", "node": first["node"], "scope": "stage2",
                     "guard": "pads the sides differently"}
    assert second["scope"] == "stage3"


class _Faulty(Rule):
    """relu(x) = 1.1 relu(x), which a bound admits that admits everything."""

    kind = Class.REAL_EXACT
    ulps = 2.0**24

    def pattern(self, x: Any) -> Any:
        return aten.relu.default(x)

    def replacement(self, x: Any) -> Any:
        return aten.mul.Tensor(aten.clamp.default(x, 0), 1.1)


def test_wrong_program_is_an_error_that_names_the_firing(export: Export, make_target: Callable[..., Any]) -> None:
    x = torch.randn(3, 8)
    with pytest.raises(RuntimeError, match=r"differs .* is that of 'test-optimize' at relu in module '1', "):
        optimize(export(nn.Sequential(nn.Tanh(), nn.ReLU()), x), make_target(), (x,), extra_rules=(_Faulty(),))


def test_integers_that_a_convolution_does_not_take_stay(export: Export, make_target: Callable[..., Any]) -> None:
    x = torch.randint(0, 255, (2, 3, 4, 4), dtype=torch.uint8)
    optimized = optimize(export(_Shortcut(), x), make_target(channel_pad_shortcut="conv2d"), (x,))
    assert optimized.operators_after == {"pad": 1, "slice": 2}
    (refusal,) = optimized.refused
    assert refusal.guard.startswith("witness: does not run")


def test_equal_programs_are_optimized_to_equal_bytes(
    export: Export, make_target: Callable[..., Any], tmp_path: Path
) -> None:
    module, x = _classifier("resnet20_cifar10"), torch.randn(2, 3, 32, 32)
    for name in ("one.pt2", "two.pt2"):
        optimized = optimize(export(module, x), make_target(channel_pad_shortcut="conv2d"), (x,))
        ir.save(optimized.program, tmp_path / name)
    assert (tmp_path / "one.pt2").read_bytes() == (tmp_path / "two.pt2").read_bytes()


@pytest.mark.parametrize(("samples", "reason"), [
    ((), "the program has 1 inputs, the samples have 0"),
    ((torch.zeros(2, 9),), r"input 'x' is \(.*, 8\) torch.float32, its samples are \(2, 9\)"),
    ((torch.zeros(2, 8, dtype=torch.int64),), "torch.int64"),
])
def test_samples_that_do_not_fit_are_refused(
    samples: tuple[torch.Tensor, ...], reason: str, export: Export, make_target: Callable[..., Any]
) -> None:
    with pytest.raises(InputError, match=reason):
        optimize(export(_Norms(), torch.zeros(2, 8)), make_target(), samples)
