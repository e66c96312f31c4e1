import pyarrow as pa
import pytest

from edgewright.datasets.labels import indices
from edgewright.errors import InputError


def _of(values, dataset_names=(), model_names=()):
    return indices(pa.array(values), dataset_names, model_names, "d: column 'label'").tolist()


def test_integers_stay():
    assert _of([2, 0, None]) == [2, 0, None]
    assert _of([2.0, float("nan")]) == [2, None]


def test_names_go_by_the_order_of_the_model():
    assert _of(["dog", "cat"], model_names=("cat", "dog")) == [1, 0]


def test_declared_names_are_matched_by_name_not_by_number():
    assert _of([0, 1], dataset_names=("cat", "dog"), model_names=("dog", "bird", "cat")) == [2, 0]


def test_declared_names_that_are_all_foreign_keep_the_number():
    assert _of([0, 1], dataset_names=("chat", "chien"), model_names=("cat", "dog")) == [0, 1]


def test_unknown_name_stays_for_the_expectations():
    assert _of([0, 1], dataset_names=("cat", "horse"), model_names=("cat", "dog")) == [0, "horse"]


def test_names_without_labels_of_the_model():
    with pytest.raises(InputError, match=r"^d: column 'label': labels are names"):
        _of(["cat"])
