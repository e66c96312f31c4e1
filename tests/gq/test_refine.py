"""What is tried on a quantized program stays only where it helps."""

import numpy as np
import pytest
import torch

from edgewright import gq, ir, registry, targets
from edgewright.errors import ConfigError
from edgewright.gq import refine, validate
from edgewright.gq.corrections import PACKAGE, bias, equalize
from edgewright.parallel import VARIABLE
from tests.gq.nets import W8A8, nodes, noise, program_of, run, sample_of, scheme, small


def quantize(net=None, count=40, **changes):
    torch.manual_seed(0)
    program = small() if net is None else program_of(net, 3, 8, 8)
    return gq.quantize(program, targets.load("xnnpack"), scheme(W8A8, **changes), sample_of(noise(count)))


def rounded(rounding, **changes):
    """A scheme whose weights are rounded so."""
    return {"weights": {"bits": 8, "rounding": rounding}, **changes}


def test_the_default_rounds_with_the_inputs_in_view_and_corrects_the_bias():
    (step,) = quantize().encodings["corrections"]
    assert step["methods"] == ["gptq", "bias"]
    assert step["operators"] == 3
    assert step["applied"] == (step["output_mse"] < step["output_mse_without"])


def test_with_neither_there_is_nothing_to_try():
    result = quantize(**rounded("nearest", corrections=[]))
    assert result.encodings["corrections"] == []
    assert {item["source"] for item in result.encodings["weights"]} == {"rtn"}


def test_a_correction_that_hurts_is_undone(monkeypatch):
    plain = quantize(**rounded("nearest", corrections=[]))

    def wrong(constants, meeting):
        constants.bias.add_(1.0)
        constants.scale.mul_(1.5)
        return True

    monkeypatch.setattr(bias, "adjust", wrong)
    result = quantize(**rounded("nearest"))
    (step,) = result.encodings["corrections"]
    assert not step["applied"]
    assert step["output_mse"] > step["output_mse_without"]
    assert result.encodings["weights"] == plain.encodings["weights"]
    assert torch.equal(run(result.program, noise()), run(plain.program, noise()))


def test_a_rounding_that_hurts_is_undone_and_the_bias_is_corrected_all_the_same(monkeypatch):
    from edgewright.gq.rounding import seq_mse

    def wrong(self, problem):
        found = problem.nearest
        return type(found)(found.integers * 0, found.scale, found.zero_point, found.grid)

    monkeypatch.setattr(seq_mse.Method, "round", wrong)
    first, second = quantize(**rounded("seq-mse")).encodings["corrections"]
    assert (first["methods"], first["applied"]) == (["seq-mse", "bias"], False)
    assert (second["methods"], second["output_mse_without"]) == (["bias"], first["output_mse_without"])


def test_a_bias_that_was_planted_wrong_is_found(monkeypatch):
    """A shift of the mean, which quantization causes at few bits, is taken back."""
    from edgewright.gq import quantizer

    made = quantizer.constants_of

    def shifted(*arguments):
        item = made(*arguments)
        item.bias.add_(0.5)
        return item

    monkeypatch.setattr(quantizer, "constants_of", shifted)
    (step,) = quantize(**rounded("nearest")).encodings["corrections"]
    assert step["applied"]
    assert step["output_mse"] < 0.05 * step["output_mse_without"]


def test_equalization_is_tried_as_a_whole(monkeypatch):
    class Chain(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.Conv2d(8, 4, 3, padding=1)
            with torch.no_grad():
                factor = torch.logspace(-1.5, 1.5, 8)
                self.a.weight *= factor.reshape(-1, 1, 1, 1)
                self.a.bias *= factor
                self.b.weight /= factor.reshape(1, -1, 1, 1)

        def forward(self, x):
            return self.b(torch.relu(self.a(x))).mean((2, 3))

    result = quantize(Chain(), corrections=["equalize", "bias"])
    first = result.encodings["corrections"][0]
    assert (first["methods"], first["operators"], first["applied"]) == (["equalize"], 2, True)
    assert first["output_mse"] < 0.5 * first["output_mse_without"]

    def wrong(module):
        for node in nodes(module, "conv2d"):
            new = ir.constant(module, ir.tensor_of(module, node.args[2]) + 1, "wrong", node)
            node.replace_input_with(node.args[2], new)
        return ("a", "b")

    monkeypatch.setattr(equalize, "prepare", wrong)
    first = quantize(Chain(), corrections=["equalize"]).encodings["corrections"][0]
    assert not first["applied"]


@pytest.mark.parametrize("rounding", ["gptq", "adaround", "seq-mse"])
def test_equal_bytes_for_any_number_of_workers(rounding, monkeypatch, tmp_path):
    chosen = {"method": rounding, "options": {"iterations": 30} if rounding == "adaround" else {}}
    found = []
    for workers in ("1", "2"):
        monkeypatch.setenv(VARIABLE, workers)
        result = quantize(**rounded(chosen, corrections=["bias", "batch-norm"]))
        ir.save(result.program, tmp_path / workers)
        found.append(((tmp_path / workers).read_bytes(), result.encodings, result.sensitivity))
    assert found[0] == found[1]


def test_every_fourth_batch_judges_and_few_do_both():
    module = ir.unlift(small())
    many = refine.Rows(module, sample_of(noise(70)))
    assert [len(row[0]) for row in many.fitted] == [16, 16, 16, 6]
    assert [len(row[0]) for row in many.judged] == [16]
    few = refine.Rows(module, sample_of(noise(20)))
    assert len(list(few.fitted)) == len(list(few.judged)) == 2


def test_rows_of_a_large_program_are_bounded(monkeypatch):
    monkeypatch.setattr(refine, "ELEMENTS", 8 * 10 * 10 * 20)  # the padded tensor
    assert sum(len(row[0]) for row in refine.Rows(ir.unlift(small()), sample_of(noise(70))).fitted) == 20


def test_scales_that_are_given_stay():
    first = quantize()
    for item in first.encodings["weights"]:
        item["scales"] = [2 * value for value in item["scales"]]
    torch.manual_seed(0)
    given = gq.Overrides.parse(first.encodings, "encodings.json")
    again = gq.quantize(
        small(), targets.load("xnnpack"), scheme(W8A8, corrections=["bias", "batch-norm"]), sample_of(noise(40)),
        encodings=given,
    )  # fmt: skip
    wanted = [item["scales"] for item in first.encodings["weights"]]
    assert [item["scales"] for item in again.encodings["weights"]] == [
        pytest.approx(list(np.float32(scales))) for scales in wanted
    ]


def test_unknown_names_and_options_are_refused():
    target = targets.load("xnnpack")
    for changes, message in (
        ({"corrections": ["bais"]}, r"gq.x.corrections: unknown correction 'bais'.*bias"),
        ({"corrections": ["bias", "bias"]}, "'bias' is named twice"),
        ({"weights": {"rounding": "gptx"}}, "gptq"),
        ({"weights": {"rounding": {"method": "gptq", "options": {"dampnig": 1}}}}, "damping"),
        ({"layers": {"head": {"weights": {"rounding": "gptx"}}}}, "gptq"),
    ):
        with pytest.raises(ConfigError, match=message):
            validate.check(target, scheme(W8A8, **changes), "gq.x")
    assert set(registry.names(PACKAGE)) == {"batch-norm", "bias", "equalize"}
