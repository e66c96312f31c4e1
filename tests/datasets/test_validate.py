import json

import numpy as np
import pytest

from edgewright.datasets import expectations
from edgewright.datasets.kinds import EXPECTED
from edgewright.datasets.validate import validate, write
from edgewright.errors import InputError

_ROWS = np.array([40, 41, 42, 43])


def _observed(**changes):
    observed = {
        "row_digest": np.array(["a", "b", "c", "d"], dtype=object), "shape": np.array(["2 x 3"] * 4, dtype=object),
        "not_finite": np.zeros(4), "minimum": np.zeros(4), "maximum": np.ones(4), "spread": np.ones(4),
        "label": np.array([0, 1, 2, 2], dtype=object),
    }
    return {**observed, **{key: np.array(value, dtype=object) for key, value in changes.items()}}


def _validate(excluded=(), samples=4, bounds=(0.0, 1.0), **changes):
    rules = expectations.for_rows("pixels", "class", (2, 3), 3, samples, excluded, bounds)
    return validate(rules, _observed(**changes), _ROWS, "d.parquet")


def test_good_rows_keep_every_rule():
    records = _validate(excluded={"z"})
    assert all(record["success"] for record in records)
    assert [record["rule"] for record in records] == [
        "row count", "not null", "shape", "finite", "range", "range", "not constant", "not null", "label set",
        "unique", "not in holdout",
    ]
    assert "range" not in [record["rule"] for record in _validate(bounds=None)]


@pytest.mark.parametrize(("changes", "message"), [
    ({"row_digest": ["a", None, "c", None]}, "column 'pixels': 2 of 4 rows break the rule 'not null'"),
    ({"shape": ["2 x 3", "unreadable", "2 x 4", "2 x 3"]},
     "column 'pixels': 2 of 4 rows break the rule 'shape': expected content of the shape 2 x 3 after preprocessing,"
     " found 2 x 4, unreadable (first in row 41, 42)"),
    ({"not_finite": [0, 0, 5, 0]},
     "column 'pixels': 1 of 4 rows break the rule 'finite': expected 0 NaN or infinite values in a row, found 5"
     " (first in row 42)"),
    ({"minimum": [0.0, -0.1, 0.0, 0.0]},
     "column 'pixels': 1 of 4 rows break the rule 'range': expected values from 0 to 1 after preprocessing, found -0.1"
     " (first in row 41)"),
    ({"maximum": [1.0, 1.0, 0.5, 7.0]}, "column 'pixels': 1 of 4 rows break the rule 'range'"),
    ({"spread": [0.0, 0.0, 0.0, 0.0]}, "column 'pixels': 4 of 4 rows break the rule 'not constant'"),
    ({"label": [0, 1, 3, "horse"]}, "column 'class': 2 of 4 rows break the rule 'label set'"),
    ({"label": [0, None, 1, 1]}, "column 'class': 1 of 4 rows break the rule 'not null'"),
])
def test_broken_rule_is_named(changes, message):
    with pytest.raises(InputError) as caught:
        _validate(**changes)
    assert f"d.parquet: {message}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_holdout_rows_and_row_count():
    with pytest.raises(InputError, match=r"'pixels': 1 of 4 rows break the rule 'not in holdout'.*\(first in row 42\)"):
        _validate(excluded={"c"})
    with pytest.raises(InputError, match=r"rule 'row count': expected 5 rows, found 4"):
        _validate(samples=5)


def test_several_broken_rules_are_all_named():
    with pytest.raises(InputError, match=r"rule 'finite'.*; also broken: 'label set' of 'class'$"):
        _validate(not_finite=[1, 0, 0, 0], label=[0, 1, 2, 9])


def test_duplicates_within_are_recorded_and_do_not_stop():
    records = _validate(row_digest=["a", "b", "a", "d"])
    unique = next(record for record in records if record["rule"] == "unique")
    assert not unique["success"]
    assert unique["severity"] == "warning"
    assert unique["failing_rows"] == 2
    assert unique["first_failing_rows"] == [40, 42]


def test_token_ids_outside_of_the_vocabulary():
    rules = expectations.for_documents("body", 10, frozenset())
    observed = {
        "row_digest": np.array(list("abcd"), dtype=object), "tokens": np.array([1, 2, 3, 4]),
        "minimum": np.zeros(4), "maximum": np.array([9.0, 10.0, 3.0, 11.0]),
    }
    with pytest.raises(InputError, match=r"column 'body': 2 of 4 rows break the rule 'token ids': expected .* 0 to 9"):
        validate(rules, observed, _ROWS, "d.txt")


@pytest.mark.parametrize(("role", "found"), [
    ("text", "numbers"), ("image", "lists of numbers"), ("input", "text"), ("label", "bytes"),
])
def test_schema_is_of_the_columns_as_they_were_read(role, found):
    rules = expectations.for_columns({role: "c"})
    expected, kinds = EXPECTED[role]
    for kind in (*kinds, None):
        assert validate(rules, {role: np.array([kind] * 4, dtype=object)}, _ROWS, "d")[0]["success"]
    with pytest.raises(InputError) as caught:
        validate(rules, {role: np.array([found] * 4, dtype=object)}, _ROWS, "d")
    assert str(caught.value) == (
        f"d: column 'c': 4 of 4 rows break the rule 'schema': expected {expected}, found {found}"
        " (first in row 40, 41, 42, 43)"
    )


def test_rule_that_cannot_run_is_a_bug_not_a_pass():
    rules = expectations.for_rows("pixels", None, (2, 3), 0, None, frozenset())
    observed = {key: value for key, value in _observed().items() if key not in ("label", "spread")}
    with pytest.raises(RuntimeError, match=r"rule 'not constant' .* did not run"):
        validate(rules, observed, _ROWS, "d")


def test_written_result_is_plain_and_deterministic(tmp_path):
    for name in ("a.json", "b.json"):
        write(tmp_path / name, _validate(excluded={"z", "y", "x"}), {"source": "d.parquet"})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert set(json.loads((tmp_path / "a.json").read_text())["expectations"][0]) == {
        "rule", "column", "expected", "severity", "success", "rows", "failing_rows", "first_failing_rows", "observed",
    }
