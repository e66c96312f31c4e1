"""A run that was stopped goes on behind its finished blocks, and gives the same bytes."""

import pytest
import torch

from edgewright import aq
from edgewright.config import AqRecipe
from edgewright.files import sha256_tree
from tests.aq.nets import make, outputs

_SEQUENTIAL = ("gptq",)


class _Stopped(BaseException):
    pass


def _bytes(result, folder):
    source = folder / "source"
    source.mkdir(parents=True)
    aq.save(result, source, folder / "out")
    return sha256_tree(folder / "out")


@pytest.mark.parametrize("algorithms", [("awq",), _SEQUENTIAL], ids="+".join)
@pytest.mark.parametrize("activations", ["memory", "disk"])
def test_a_stopped_run_goes_on_where_it_was(tmp_path, algorithms, activations):
    recipe = AqRecipe(algorithms=algorithms, bits=3, group=8, activations=activations)
    model, sample = make("llama")
    whole = aq.quantize(model, sample, recipe)
    expected = outputs(model, sample)

    def stop(done, total, scope):
        if scope.startswith("net.model.layers.2"):
            raise _Stopped

    store = tmp_path / "resume"
    with pytest.raises(_Stopped):
        aq.quantize(*make("llama"), recipe, progress=stop, resume=store)
    assert sorted(path.name for path in store.glob("block-*")) == ["block-0000", "block-0001"]

    scopes = []
    model, sample = make("llama")
    resumed = aq.quantize(model, sample, recipe, progress=lambda *call: scopes.append(call[2]), resume=store)
    assert [scope for scope in scopes if "layers.0" in scope or "layers.1" in scope] == [
        f"net.model.layers.{index} (finished by an earlier run)" for index in range(2)
    ]
    assert torch.equal(outputs(model, sample), expected)
    assert _bytes(resumed, tmp_path / "one") == _bytes(whole, tmp_path / "two")


def test_a_run_whose_blocks_are_all_finished_gives_the_same_head(tmp_path):
    recipe = AqRecipe(algorithms=_SEQUENTIAL, bits=4, group=8)
    found = []
    for _ in range(2):
        model, sample = make("llama")
        aq.quantize(model, sample, recipe, resume=tmp_path)
        found.append(outputs(model, sample))
    assert torch.equal(*found)


def test_only_the_last_block_keeps_its_activations(tmp_path):
    aq.quantize(*make("llama"), AqRecipe(bits=4), resume=tmp_path)
    held = sorted(path.parent.name for path in tmp_path.glob("block-*/hidden"))
    assert held == ["block-0002"]


def test_activations_on_disk_change_no_bit(tmp_path):
    digests = []
    for activations in ("memory", "disk"):
        recipe = AqRecipe(algorithms=_SEQUENTIAL, bits=4, group=8, activations=activations)
        result = aq.quantize(*make("llama"), recipe)
        digests.append(_bytes(result, tmp_path / activations))
    assert digests[0] == digests[1]
