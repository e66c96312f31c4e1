from typing import Any

import pytest

from edgewright.report.weights import failures_text, weights


def row(module: str, **fields: Any) -> dict[str, Any]:
    return {
        "module": module, "class": "Linear", "bits": 4, "group": 32, "symmetric": True, "algorithm": "rtn",
        "weight_mse": 1e-6, "output_mse": 0.01, "output_snr_db": 20.0, "rtn_output_mse": 0.1,
        "rtn_output_snr_db": 10.0, "zero_channels": 0,
        **fields,
    }  # fmt: skip


NOT_MEASURED = {"output_mse": None, "output_snr_db": None, "rtn_output_mse": None, "rtn_output_snr_db": None}


def test_worst_first_and_what_was_not_measured_last() -> None:
    record = weights({"modules": [row("exact", output_mse=0.0, output_snr_db=None), row("good", output_snr_db=30.0),
                                  row("unseen", **NOT_MEASURED), row("bad", output_snr_db=3.0)]})  # fmt: skip
    assert record is not None
    assert [layer.scope for layer in record.layers] == ["bad", "good", "exact", "unseen"]
    assert [layer.gain_db for layer in record.layers[:2]] == [pytest.approx(-7.0), pytest.approx(20.0)]
    assert [layer.gain_db for layer in record.layers[2:]] == [None, None]
    assert record.layers[0].format == "int"


def test_what_was_left_and_how_it_ran() -> None:
    record = weights({
        "modules": [],
        "skipped": [{"module": "lm_head", "reason": "tied"}],
        "transforms": {"awq": {"layers": 3, "skipped": [{"module": "a", "reason": "no producer"}]}},
        "provenance": {"device": "cpu", "threads": 1},
        "checkpoint": {"layout": "quantization.json", "reason": None},
        "rotations": {"residual": 192, "online": {}, "heads": [0, 1]},
    })  # fmt: skip
    assert record is not None
    assert [(item.scope, item.reason) for item in record.skipped] == [("lm_head", "tied")]
    assert [(item.name, item.layers, item.skipped[0].scope) for item in record.transforms] == [("awq", 3, "a")]
    assert record.provenance == {
        "device": "cpu", "threads": "1", "checkpoint layout": "quantization.json", "rotations residual": "192",
        "rotations heads": "0, 1",
    }  # fmt: skip


def test_without_a_file_there_is_no_record() -> None:
    assert weights(None) is None
    assert failures_text(None) is None
    assert failures_text(weights({"modules": [row("a")]})) is None


def test_failures_are_counted_by_what_they_became() -> None:
    failures = [{"module": name, "reason": "not positive definite", "became": became}
                for name, became in (("a", "rtn"), ("b", "float"), ("c", "rtn"))]  # fmt: skip
    record = weights({"modules": [row("a", failure="not positive definite")], "failures": failures})
    assert record is not None
    assert record.layers[0].failure == "not positive definite"
    assert failures_text(record) == "aq: 3 layers failed, 2 became rtn, 1 became float"
    one = weights({"modules": [], "failures": failures[:1]})
    assert failures_text(one) == "aq: 1 layer failed, 1 became rtn"
