import torch
from torch import nn

from edgewright import gq, ir, targets
from edgewright.gq.lockstep import Meeting, walk
from edgewright.parallel import VARIABLE
from tests.gq.nets import nodes, noise, program_of, sample_of, scheme, small


def _sides(**changes):
    program = small()
    result = gq.quantize(program, targets.load("xnnpack"), scheme(**changes), sample_of(noise()))
    return ir.unlift(program), ir.unlift(result.program)


def _rows():
    return [(part,) for part in torch.from_numpy(noise(6)).split(3)]


def test_both_programs_meet_at_each_operator_with_their_own_values(monkeypatch):
    found = []
    for workers in ("1", "2"):
        monkeypatch.setenv(VARIABLE, workers)
        reference, quantized = _sides()
        names = [node.name for node in nodes(quantized, "conv2d")]
        meetings = [
            Meeting(meeting.node, list(meeting.inputs), list(meeting.outputs))
            for meeting in walk(reference, quantized, names, _rows())
        ]
        assert [meeting.node.name for meeting in meetings] == names
        found.append(meetings)
    for first, second in zip(*found, strict=True):
        assert all(torch.equal(one, two) for one, two in zip(first.inputs, second.inputs, strict=True))
    first = found[0][0]
    (own,) = (node for node in nodes(reference, "conv2d") if node.name == first.node.name)
    weight, bias = (ir.tensor_of(reference, node) for node in own.args[1:3])
    for row, inputs, outputs in zip(_rows(), first.inputs, first.outputs, strict=True):
        torch.testing.assert_close(outputs, torch.conv2d(row[0], weight, bias, padding=1))
        assert 0 < float((inputs - row[0]).abs().max()) < 0.1


def test_a_constant_that_is_written_at_a_meeting_counts_from_there():
    reference, quantized = _sides()
    names = [node.name for node in nodes(quantized, "conv2d")]
    for index, meeting in enumerate(walk(reference, quantized, names, _rows())):
        if index == 0:
            ir.tensor_of(quantized, meeting.node.args[2]).fill_(-1e6)
        else:
            # ReLU has made zeros of it.
            assert not any(bool(value.any()) for value in meeting.inputs)


def test_a_size_computed_from_an_input_and_an_operator_without_inputs():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x):
            return self.fc(x.reshape(x.shape[0], -1)) + torch.arange(4.0)

    module = ir.unlift(program_of(Net(), 2, 2))
    (linear,) = nodes(module, "linear")
    (meeting,) = walk(module, ir.unlift(program_of(Net(), 2, 2)), [linear.name], [(torch.ones(3, 2, 2),)])
    assert torch.equal(meeting.inputs[0], torch.ones(3, 4))
