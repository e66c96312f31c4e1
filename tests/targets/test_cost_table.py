"""The file of a cost table."""

import json

import pytest

from edgewright.errors import ConfigError
from edgewright.targets.cost_table import CostTable, read

TABLE = CostTable("ethos-u85-256", "cycles", "Vela 5", None, {"w8a8": {"b": 2.0, "a": 1.0}, "w4a8": {"a": 0.5}})


def test_a_table_comes_back_and_equal_tables_give_equal_bytes(tmp_path):
    TABLE.write(tmp_path / "one.json")
    assert read(tmp_path / "one.json", "here") == TABLE
    turned = CostTable(TABLE.target, TABLE.unit, TABLE.source, None,
                       {"w4a8": {"a": 0.5}, "w8a8": {"a": 1.0, "b": 2.0}})
    turned.write(tmp_path / "two.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


@pytest.mark.parametrize(("change", "message"), [
    ({"unit": "seconds"}, "schema 1 in seconds; this version reads schema 1 in cycles or ms"),
    ({"schema": 2}, "schema 2 in cycles"),
    ({"precisions": {"w8a8": {"a": -1}}}, "precisions.w8a8: 'a': -1 is not a cost of 0 or more"),
    ({"precisions": {"w8a8": {"a": "1"}}}, "'a': 1 is not a cost"),
])
def test_what_is_wrong_is_named(tmp_path, change, message):
    TABLE.write(tmp_path / "t.json")
    content = json.loads((tmp_path / "t.json").read_text())
    (tmp_path / "t.json").write_text(json.dumps({**content, **change}))
    with pytest.raises(ConfigError, match=message) as caught:
        read(tmp_path / "t.json", "gq.mine.search.cost")
    assert str(caught.value).startswith("gq.mine.search.cost: t.json")


@pytest.mark.parametrize(("text", "message"), [
    ("{", "no readable cost table"), ("[]", "no key 'schema'"), ('{"schema": 1}', "no key 'target'"),
])
def test_another_file_is_refused(tmp_path, text, message):
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read(tmp_path / "t.json", "here")
    with pytest.raises(ConfigError, match="no readable cost table"):
        read(tmp_path / "absent.json", "here")


def test_a_table_of_another_target_or_without_a_candidate_is_refused():
    TABLE.check("ethos-u85-256", ["w8a8"], "here")
    with pytest.raises(ConfigError, match="of target ethos-u85-256, not of xnnpack; with cost: bytes in its place"):
        TABLE.check("xnnpack", ["w8a8"], "here")
    with pytest.raises(ConfigError, match=r"no costs of 'w8a16' \(did you mean 'w8a8'\?\)"):
        TABLE.check("ethos-u85-256", ["w8a8", "w8a16"], "here")
