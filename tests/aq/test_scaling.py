import torch

from edgewright.aq.scaling import max_by_channel, mean_by_channel
from edgewright.aq.structure import Consumer, Pair, Part


def test_channels_that_several_inputs_read_share_their_mean_and_largest():
    pair = Pair("v", (Part(torch.nn.Parameter(torch.zeros(3, 1))),), (), torch.ones(3, dtype=torch.bool))
    consumer = Consumer("o", torch.tensor([0, 1, 0, 1, -1]))
    magnitude = torch.tensor([1.0, 2.0, 3.0, 6.0, 50.0])
    assert mean_by_channel(magnitude, pair, consumer).tolist() == [2.0, 4.0, 0.0]
    assert max_by_channel(magnitude, pair, consumer).tolist() == [3.0, 6.0, 0.0]
