import weakref
from typing import ClassVar

import pytest
import torch
from torch import nn

from edgewright.aq.activations import Activations
from edgewright.aq.stream import Stream, find_blocks
from edgewright.aq.structure import trace
from tests.aq.nets import make, outputs


@pytest.mark.parametrize(
    ("name", "count"), [("llama", 3), ("layer-norm", 2), ("unpacked", 2), ("skips", 0), ("cnn", 0), ("mlp", 0)]
)
@torch.no_grad()
def test_blocks_are_found_and_give_what_the_model_gives(name, count):
    model, sample = make(name)
    batches = [tuple(torch.from_numpy(item) for item in batch) for batch in sample.batches(8)]
    blocks = find_blocks(model.module, batches[0])
    assert (0 if blocks is None else len(blocks.names)) == count
    if blocks is None:
        return
    stream = Stream(model.module, blocks, batches)
    for index in range(count):
        stream.hidden = [stream.run(index, batch, hidden) for batch, hidden in enumerate(stream.hidden)]
    with stream.passed_over():
        found = torch.cat([stream.run_rest(batch) for batch in range(3)])
    assert torch.equal(found, outputs(model, sample))


@torch.no_grad()
def test_some_samples_of_a_batch_give_what_all_give():
    model, sample = make("llama")
    batches = [tuple(torch.from_numpy(item) for item in batch) for batch in sample.batches(8)]
    stream = Stream(model.module, find_blocks(model.module, batches[0]), batches)
    rows = torch.tensor([5, 0, 2])
    every = stream.run(0, 0, stream.hidden[0])
    assert torch.allclose(stream.run(0, 0, stream.hidden[0], rows), every[rows], atol=1e-6)
    with stream.passed_over():
        assert torch.allclose(stream.run_rest(0, rows), stream.run_rest(0)[rows], atol=1e-6)


@torch.no_grad()
def test_the_input_of_the_first_block_goes_to_disk_batch_by_batch(tmp_path):
    model, sample = make("llama")
    batches = [tuple(torch.from_numpy(item) for item in batch) for batch in sample.batches(10)]
    blocks = find_blocks(model.module, batches[0])
    stream = Stream(model.module, blocks, batches, Activations((), tmp_path))
    assert len(list(tmp_path.iterdir())) == len(batches)
    expected = Stream(model.module, blocks, batches).hidden
    assert all(torch.equal(one, other) for one, other in zip(stream.hidden, expected, strict=True))


@torch.no_grad()
def test_masks_and_tables_are_kept_once():
    model, sample = make("llama")
    batches = [tuple(torch.from_numpy(item) for item in batch) for batch in sample.batches(10)]
    stream = Stream(model.module, find_blocks(model.module, batches[0]), batches)
    first, second = (call[1]["position_embeddings"][0] for call in stream._calls[0])
    assert first is second
    assert stream._calls[1][0][1]["position_embeddings"][0] is first


class _Watched(nn.Module):
    """Says how many of the tensors that modules of its class have returned are still alive."""

    returned: ClassVar[list] = []
    most = 0

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        result = torch.tanh(self.linear(x))
        self.returned.append(weakref.ref(result))
        _Watched.most = max(self.most, sum(item() is not None for item in self.returned))
        return result


@pytest.mark.parametrize("find", [
    lambda model, x: find_blocks(model, (x,)),
    lambda model, x: trace(model, lambda: model(x)),
], ids=["blocks", "structure"])  # fmt: skip
@torch.no_grad()
def test_nothing_that_passes_between_blocks_is_kept(find):
    model = _InPlace(_Watched, 9)
    model.act = nn.Identity()
    _Watched.returned.clear()
    _Watched.most = 0
    assert find(model, torch.randn(2, 4)) is not None
    assert _Watched.most <= 2


@torch.no_grad()
def test_lists_that_are_not_a_chain_are_one_block():
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.heads = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))

        def forward(self, x):
            return sum(head(x) for head in self.heads)

    assert find_blocks(Branches(), (torch.randn(1, 4),)) is None


class _Adds(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x, other):
        return self.linear(x) + other, x.mean()


class _Twice(nn.Module):
    """What its blocks get beside the hidden state is either the model's own input or the output of other blocks."""

    def __init__(self, passes_on):
        super().__init__()
        self.blocks = nn.ModuleList([_Adds(), _Adds()])
        self.passes_on = passes_on

    def forward(self, x):
        x = first = x * 2
        other = first
        for block in self.blocks:
            x, mean = block(x, other)
            other = mean if self.passes_on else first
        return x


@pytest.mark.parametrize("passes_on", [True, False])
@torch.no_grad()
def test_other_tensors_that_a_block_gets(passes_on):
    torch.manual_seed(0)
    model, x = _Twice(passes_on).eval(), torch.randn(3, 4)
    blocks = find_blocks(model, (x[:1],))
    assert (blocks is None) == passes_on
    if blocks is not None:
        stream = Stream(model, blocks, [(x,)])
        for index in range(2):
            stream.hidden = [stream.run(index, 0, stream.hidden[0])]
        assert torch.equal(stream.run_rest(0), model(x))


@torch.no_grad()
def test_a_block_that_writes_into_its_input_is_run_on_a_copy():
    class Adds(nn.Module):
        def forward(self, x):
            x += 1
            return x

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList([Adds(), Adds()])

        def forward(self, x):
            x = x * 1
            for block in self.blocks:
                x = block(x)
            return x

    batch = (torch.zeros(1, 2),)
    stream = Stream(Net(), find_blocks(Net(), batch), [batch])
    for _ in range(2):
        assert stream.run(0, 0, stream.hidden[0]).tolist() == [[1.0, 1.0]]


class _InPlace(nn.Module):
    """What stands between its blocks writes into the tensor that it passes on."""

    def __init__(self, build, count=3):
        super().__init__()
        self.blocks, self.act = nn.ModuleList(build() for _ in range(count)), nn.ReLU(inplace=True)

    def forward(self, x):
        for block in self.blocks:
            x = self.act(block(x))
        return x


@torch.no_grad()
def test_values_that_are_written_between_blocks_make_no_chain():
    model = _InPlace(lambda: nn.Sequential(nn.Linear(4, 4), nn.Tanh()))
    assert find_blocks(model, (torch.randn(2, 4),)) is None


@torch.no_grad()
def test_layers_themselves_are_no_blocks():
    model = _InPlace(lambda: nn.Linear(4, 4))
    model.act = nn.Identity()
    assert find_blocks(model, (torch.randn(2, 4),)) is None
