from typing import Any

from edgewright.report.heat import ROOT, is_wide, name, stages, strip, worst
from edgewright.report.types import HeatStageRecord

DRIFT = {"snr_db": 30.0, "logit_mse": 0.1, "agreement": 99.0, "samples": 10}


def sensitivity(*scopes: str) -> dict[str, Any]:
    """Worst first is the reverse of the program's order here."""
    modules = [
        {"scope": scope, "operator": "conv2d", "index": index, "snr_db": 40.0 - index, "mse": 0.1, "cosine": 0.9}
        for index, scope in enumerate(scopes)
    ]
    return {"schema": 1, "modules": modules[::-1]}


def of_gq(*scopes: str) -> tuple[HeatStageRecord, ...]:
    metrics: Any = {"float": {"drift": None}, "go": {"drift": DRIFT}, "gq": {"drift": DRIFT}, "compile": None}
    return stages(metrics, None, sensitivity(*scopes))


def test_modules_are_in_the_order_of_the_program_and_every_stage_has_its_output() -> None:
    go, gq = of_gq("stem", "blocks.0.a", "blocks.0.b", "head")
    assert (go.stage, gq.stage) == ("go", "gq")
    assert go.modules == ()
    assert go.output is not None
    assert go.output.snr_db == 30
    assert [item.scope for item in gq.modules] == ["stem", "blocks.0.a", "blocks.0.b", "head"]


def test_layers_of_aq_without_an_order_are_sorted_as_people_count() -> None:
    layers = {"modules": [{"module": f"layers.{i}.q", "class": "Linear", "output_snr_db": 20.0, "output_mse": 1.0}
                          for i in (10, 2, 1)]}  # fmt: skip
    (record,) = stages({"float": None, "aq": None}, layers, None)
    assert [item.scope for item in record.modules] == ["layers.1.q", "layers.2.q", "layers.10.q"]
    assert record.output is None


def test_the_tree_above_the_columns() -> None:
    view = strip(of_gq("", "model.stem", "model.layers.0.mlp.up", "model.layers.0.mlp.down", "model.layers.1", "head"))
    assert view is not None
    assert view.columns == ("", "model.stem", "model.layers.0.mlp.up", "model.layers.0.mlp.down", "model.layers.1",
                            "head")  # fmt: skip
    groups = {group.path: (group.name, group.level, group.start, group.end) for group in view.groups}
    assert groups["model"] == ("model", 1, 2, 6)
    assert groups["model.layers"] == ("layers", 2, 3, 6)
    # A chain of single children is one box.
    assert groups["model.layers.0.mlp"] == ("0.mlp", 3, 3, 5)
    assert groups["model.layers.0.mlp.down"] == ("down", 4, 4, 5)
    assert groups["head"] == ("head", 1, 6, 7)
    assert view.levels == 4
    assert [group.name for group in view.groups if not is_wide(group, view)] == []
    narrow = strip(of_gq(*(f"blocks.{index}.projection" for index in range(20))))
    assert narrow is not None
    assert [group.name for group in narrow.groups if is_wide(group, narrow)] == ["blocks"]


def test_a_module_with_children_has_a_column_of_its_own() -> None:
    view = strip(of_gq("stage.conv", "stage", "stage.act"))
    assert view is not None
    assert view.columns == ("stage", "stage.conv", "stage.act")
    assert {group.path for group in view.groups} == {"stage", "stage.conv", "stage.act"}


def test_the_worst_module_and_what_a_stage_does_not_show() -> None:
    records = of_gq("a", "b")
    view = strip(records)
    assert view is not None
    (_, go), (_, gq) = view.rows
    assert go == (None, None)
    found = worst(gq)
    assert found is not None
    assert found.scope == "b"
    assert worst(go) is None
    assert strip(records[:1]) is None
    assert name("") == ROOT
