"""What is expected of a sample's source rows: the rules, in the order in which they are reported."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from edgewright.datasets.decoded import shape_text
from edgewright.datasets.kinds import EXPECTED


@dataclass(frozen=True, slots=True)
class Rule:
    """One expectation.

    Attributes:
        name: the rule as messages and validation.json name it.
        column: the dataset's column that it is about, or `(rows)`.
        expected: what holds where the rule is kept.
        expectation: class of `great_expectations.expectations`.
        options: its arguments; `column` among them is a column of the observations.
        severity: an `error` stops the pipeline, a `warning` is recorded.
    """

    name: str
    column: str
    expected: str
    expectation: str
    options: Mapping[str, Any]
    severity: Literal["error", "warning"] = "error"


def for_columns(columns: Mapping[str, str]) -> list[Rule]:
    """Rules for the columns as they were read, before anything is made of them.

    Observations: for each role the kind of its column, in every row.

    Args:
        columns: the dataset's column of each role.
    """
    return [
        Rule("schema", column, EXPECTED[role][0], "ExpectColumnValuesToBeInSet",
             {"column": role, "value_set": list(EXPECTED[role][1])})
        for role, column in columns.items()
    ]


def for_rows(
    column: str, label: str | None, shape: tuple[int, ...], classes: int, samples: int | None,
    excluded: Collection[str], bounds: tuple[float, float] | None = None,
) -> list[Rule]:
    """Rules for images and numeric lists.

    Observations: row_digest, shape, not_finite, minimum, maximum, spread, and label where there is one.

    Args:
        column: the content's column.
        label: the label's column, None without labels.
        shape: shape of the model's input.
        classes: number of the model's labels, 0 where it declares none.
        samples: rows asked for, None for all.
        excluded: digests of the holdout's rows.
        bounds: least and greatest value of the model's input, None where nothing is known of them.
    """
    shown = shape_text(shape)
    rules = [
        _row_count(samples),
        _not_null(column, "row_digest"),
        Rule("shape", column, f"content of the shape {shown} after preprocessing", "ExpectColumnValuesToBeInSet",
             {"column": "shape", "value_set": [shown]}),
        Rule("finite", column, "0 NaN or infinite values in a row", "ExpectColumnValuesToBeBetween",
             {"column": "not_finite", "min_value": 0, "max_value": 0}),
        *(_range("range", column, f"values from {bounds[0]:g} to {bounds[1]:g} after preprocessing", bounds)
          if bounds is not None else ()),
        Rule("not constant", column, "a row whose values differ from each other", "ExpectColumnMaxToBeBetween",
             {"column": "spread", "min_value": 0, "strict_min": True}),
    ]
    if label is not None:
        rules.append(_not_null(label, "label"))
        if classes:
            rules.append(Rule("label set", label, f"one of the model's labels, 0 to {classes - 1} or a name of them",
                              "ExpectColumnValuesToBeInSet", {"column": "label", "value_set": list(range(classes))}))
        else:
            rules.append(Rule("label set", label, "a class index, 0 or greater", "ExpectColumnValuesToBeBetween",
                              {"column": "label", "min_value": 0}))
    return rules + _duplicates(column, excluded)


def for_documents(column: str, vocabulary: int, excluded: Collection[str]) -> list[Rule]:
    """Rules for documents.

    Observations: row_digest, tokens, minimum and maximum (token ids).

    Args:
        column: the text's column.
        vocabulary: number of token ids that the model knows.
        excluded: digests of the holdout's rows.
    """
    return [
        _row_count(None),
        _not_null(column, "row_digest"),
        Rule("tokens", column, "at least one token", "ExpectColumnValuesToBeBetween",
             {"column": "tokens", "min_value": 1}),
        *_range("token ids", column, f"token ids 0 to {vocabulary - 1}, the model's vocabulary", (0, vocabulary - 1)),
        *_duplicates(column, excluded),
    ]


def _row_count(samples: int | None) -> Rule:
    expected = f"{samples} rows" if samples is not None else "at least one row"
    return Rule("row count", "(rows)", expected, "ExpectTableRowCountToBeBetween",
                {"min_value": samples or 1, "max_value": samples})


def _range(name: str, column: str, expected: str, bounds: tuple[float, float]) -> tuple[Rule, Rule]:
    return (
        Rule(name, column, expected, "ExpectColumnValuesToBeBetween", {"column": "minimum", "min_value": bounds[0]}),
        Rule(name, column, expected, "ExpectColumnValuesToBeBetween", {"column": "maximum", "max_value": bounds[1]}),
    )


def _not_null(column: str, observed: str) -> Rule:
    return Rule("not null", column, "no null", "ExpectColumnValuesToNotBeNull", {"column": observed})


def _duplicates(column: str, excluded: Collection[str]) -> list[Rule]:
    rules = [Rule("unique", column, "no two rows of the same content", "ExpectColumnValuesToBeUnique",
                  {"column": "row_digest"}, severity="warning")]
    if excluded:
        rules.append(Rule("not in holdout", column, "no row of the holdout sample", "ExpectColumnValuesToNotBeInSet",
                          {"column": "row_digest", "value_set": sorted(excluded)}))
    return rules
