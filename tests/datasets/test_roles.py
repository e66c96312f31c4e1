import pytest

from edgewright.config import DataSource
from edgewright.datasets import roles
from edgewright.errors import ConfigError


def _data(**columns):
    return DataSource(source="d.parquet", columns=columns)


def test_columns_default_to_their_role():
    assert roles.of(_data(), "language-modeling").columns == {"text": "text"}
    found = roles.of(_data(), "image-classification")
    assert found.columns == {"image": "image", "label": "label"}
    assert found.optional == {"label"}
    assert roles.of(_data(), "regression").columns == {"input": "input"}


def test_declared_columns_are_required():
    found = roles.of(_data(input="pixels", label="digit"), "image-classification")
    assert found.content == "input"
    assert found.columns == {"input": "pixels", "label": "digit"}
    assert found.optional == frozenset()


@pytest.mark.parametrize(("columns", "task"), [
    ({"image": "image"}, "language-modeling"), ({"text": "t"}, "regression"),
    ({"image": "a", "input": "b"}, "regression"),
])
def test_columns_that_do_not_go_with_the_task(columns, task):
    with pytest.raises(ConfigError, match=rf"the task {task} takes"):
        roles.of(_data(**columns), task)
