import math

import numpy as np
import pytest
import torch

from edgewright.evaluate import metric_class


def fed(logits: np.ndarray, tokens: np.ndarray, sizes: list[int]) -> float:
    metric = metric_class("perplexity")()
    start = 0
    for size in sizes:
        part = slice(start, start + size)
        metric.update(logits[part], reference=None, labels=None, inputs=(tokens[part],))
        start += size
    return metric.compute()


def test_is_exp_of_torch_cross_entropy_over_predicted_tokens() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(5, 7, 11)).astype(np.float32) * 3
    tokens = rng.integers(0, 11, (5, 7))
    loss = torch.nn.functional.cross_entropy(
        torch.from_numpy(logits[:, :-1]).double().reshape(-1, 11), torch.from_numpy(tokens[:, 1:]).reshape(-1)
    )
    assert fed(logits, tokens, [5]) == pytest.approx(math.exp(loss.item()), rel=1e-12)
    assert fed(logits, tokens, [2, 2, 1]) == pytest.approx(fed(logits, tokens, [5]), rel=1e-12)


def test_uniform_logits_give_the_vocabulary_size() -> None:
    assert fed(np.zeros((2, 4, 13), np.float32), np.zeros((2, 4), np.int64), [2]) == pytest.approx(13.0)


def test_overflow_is_infinite_and_not_an_error() -> None:
    logits = np.zeros((1, 2, 2), np.float32)
    logits[..., 0] = 2000.0
    assert fed(logits, np.ones((1, 2), np.int64), [1]) == math.inf
