import numpy as np
import torch

from edgewright.evaluate import metric_class


def test_equals_torch_topk() -> None:
    rng = np.random.default_rng(1)
    logits, labels = rng.normal(size=(200, 17)).astype(np.float32), rng.integers(0, 17, 200)
    metric = metric_class("top5")()
    metric.update(logits, reference=None, labels=labels, inputs=())
    chosen = torch.from_numpy(logits).topk(5).indices.numpy()
    assert metric.compute() == 100.0 * np.mean([label in row for label, row in zip(labels, chosen, strict=True)])


def test_is_never_below_top1_and_ranks_ties_alike() -> None:
    logits, labels = np.zeros((3, 9), np.float32), np.array([0, 4, 5])
    metric = metric_class("top5")()
    metric.update(logits, reference=None, labels=labels, inputs=())
    assert metric.compute() == 100.0 * 2 / 3
