import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import edgewright.report
from edgewright.report import Report, VariantFiles, collect

FOLDER = Path(edgewright.report.__file__).parent
DOCS = Path(__file__).parents[2] / "docs" / "report.md"
VARIANT = {
    "name", "model", "aq", "gq", "target", "status", "reason", "metric", "size_bytes", "latency_ms",
    "memory_bytes", "drift", "stages", "artifact", "details",
}  # fmt: skip


@pytest.fixture
def report(variants: list[VariantFiles]) -> dict[str, Any]:
    return collect(variants).model_dump(mode="json")


@pytest.fixture
def schema() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FOLDER / "schema.json").read_text())
    return content


def test_the_schema_file_is_that_of_the_records(schema: dict[str, Any]) -> None:
    made = Report.model_json_schema(mode="serialization")
    wanted = {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}
    assert schema == wanted, "write it anew with files.write_json(FOLDER / 'schema.json', wanted)"


def test_a_report_keeps_its_schema(report: dict[str, Any], schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(report, schema)
    assert set(report) == {"schema", "variants"}
    for variant in report["variants"]:
        assert set(variant) == VARIANT
        assert set(variant["metric"]) == {"name", "float", "compiled", "accept"}
        assert set(variant["latency_ms"]) == {"float", "compiled", "estimate", "source"}
        assert set(variant["stages"][0]) == {
            "stage", "key", "metric", "size_bytes", "latency_ms", "state", "seconds"
        }  # fmt: skip


def test_a_report_without_weights_is_read(report: dict[str, Any]) -> None:
    for variant in report["variants"]:
        del variant["details"]["weights"]
    assert all(variant.details.weights is None for variant in Report.model_validate(report).variants)


@pytest.mark.parametrize("break_it", ["extra", "missing", "type", "status"])
def test_the_schema_is_strict(report: dict[str, Any], schema: dict[str, Any], break_it: str) -> None:
    variant = report["variants"][0]
    if break_it == "extra":
        variant["size_bytes"]["packed"] = 1
    elif break_it == "missing":
        del variant["reason"]
    elif break_it == "type":
        variant["metric"]["float"] = "44.8"
    else:
        variant["status"] = "fine"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(report, schema)


def test_the_page_of_documentation_names_every_field(schema: dict[str, Any]) -> None:
    text = DOCS.read_text()
    for name, record in schema["$defs"].items():
        for field in record["properties"]:
            assert f"`{field}`" in text, f"{name}.{field}"
