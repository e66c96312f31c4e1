import numpy as np
import pytest

from edgewright import registry
from edgewright.errors import ConfigError
from edgewright.evaluate.metric import PACKAGE, PRIMARY, BaseMetric, for_task, log_softmax, metric_class


def test_every_file_is_a_metric_that_declares_itself() -> None:
    for name in registry.names(PACKAGE):
        metric = metric_class(name)
        assert issubclass(metric, BaseMetric)
        assert metric.tasks <= PRIMARY.keys()
        assert metric.tasks
        assert metric.better in ("lower", "higher")
        assert not metric.needs_labels or metric.tasks == {"image-classification"}


@pytest.mark.parametrize("task", sorted(PRIMARY))
def test_the_primary_metric_applies_to_its_task(task: str) -> None:
    assert PRIMARY[task] in for_task(task)


def test_an_unknown_metric_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'perplexity'"):
        metric_class("perplexty")


def test_log_softmax_survives_large_logits() -> None:
    assert np.allclose(np.exp(log_softmax(np.array([[1e4, 1e4, -1e4]]))), [[0.5, 0.5, 0.0]])
