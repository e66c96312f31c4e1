"""Run the expectations with Great Expectations: one batch, one suite."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.datasets.expectations import Rule
from edgewright.errors import InputError
from edgewright.files import write_json

FILE = "validation.json"
_SHOWN = 5


def validate(
    rules: Sequence[Rule], observations: Mapping[str, NDArray[Any]], rows: NDArray[np.int64], source: str
) -> list[dict[str, Any]]:
    """The outcome of every rule, in order.

    Args:
        rules: what is expected.
        observations: columns that the rules name, one entry a source row.
        rows: number of each of these rows in the source, from 0.
        source: the dataset, for the message.

    Returns:
        for each rule: rule, column, expected, severity, success, rows, failing_rows, first_failing_rows (numbers in
        the source), observed (values that break it, or the aggregate it looks at).

    Raises:
        InputError: a rule of severity `error` is broken; the message names column, row count and rule.
    """
    records = [_record(rule, result, rows) for rule, result in zip(rules, _run(rules, observations, rows), strict=True)]
    broken = [record for record in records if not record["success"] and record["severity"] == "error"]
    if broken:
        raise InputError(f"{source}: {_message(broken)}")
    return records


def write(path: Path, records: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]) -> None:
    """Write the readable result, without times and versions: equal results are equal bytes."""
    write_json(path, {"schema": 1, **facts, "expectations": list(records)})


def _run(rules: Sequence[Rule], observations: Mapping[str, NDArray[Any]], rows: NDArray[np.int64]) -> list[Any]:
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    import pandas as pd
    from great_expectations.data_context.types.base import ProgressBarsConfig

    frame = pd.DataFrame(dict(observations), index=pd.Index(rows))
    context: Any = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("sample").add_dataframe_asset("rows")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch(batch_parameters={"dataframe": frame})
    expectations = [
        getattr(gx.expectations, rule.expectation)(**rule.options, meta={"order": order})
        for order, rule in enumerate(rules)
    ]
    outcome = batch.validate(gx.ExpectationSuite(name="sample", expectations=expectations), result_format="COMPLETE")
    return sorted(outcome.results, key=lambda result: int(result.expectation_config.meta["order"]))


def _record(rule: Rule, result: Any, rows: NDArray[np.int64]) -> dict[str, Any]:
    values = result.result
    if not values:
        raise RuntimeError(f"rule '{rule.name}' of column '{rule.column}' did not run: {result.exception_info}")
    success = bool(result.success)
    if "unexpected_count" in values:
        failing = int(values["unexpected_count"])
        first = sorted(int(row) for row in values.get("unexpected_index_list") or ())[:_SHOWN]
        observed: Any = sorted({_shown(value) for value in values.get("unexpected_list") or ()})[:_SHOWN]
    else:
        failing = 0 if success else len(rows)
        first = []
        observed = values["observed_value"]
        observed = list(map(_shown, observed)) if isinstance(observed, list) else _shown(observed)
    return {
        "rule": rule.name, "column": rule.column, "expected": rule.expected, "severity": rule.severity,
        "success": success, "rows": len(rows), "failing_rows": failing, "first_failing_rows": first,
        "observed": observed,
    }


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _message(broken: Sequence[Mapping[str, Any]]) -> str:
    first = broken[0]
    observed = first["observed"]
    shown = ", ".join(observed) if isinstance(observed, list) else observed
    rows = ", ".join(map(str, first["first_failing_rows"]))
    others = sorted({f"'{record['rule']}' of '{record['column']}'" for record in broken[1:]})
    return (
        f"column '{first['column']}': {first['failing_rows']} of {first['rows']} rows break the rule '{first['rule']}':"
        f" expected {first['expected']}, found {shown}"
        + (f" (first in row {rows})" if rows else "")
        + (f"; also broken: {', '.join(others)}" if others else "")
    )
