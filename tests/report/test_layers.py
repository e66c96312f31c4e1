from dataclasses import replace
from typing import Any

import pytest

from edgewright.files import read_json, write_json
from edgewright.report import VariantFiles, collect
from edgewright.report.layers import Layers, grid_text, layers, reasons
from edgewright.report.types import LayerRecord, LeftRecord


def edit(files: VariantFiles, change: Any) -> None:
    assert files.layers is not None
    content = read_json(files.layers)
    change(content["modules"])
    write_json(files.layers, content)


def compared(variants: list[VariantFiles]) -> Layers:
    view = layers(collect(variants).variants)
    assert view is not None
    return view


def test_a_recipe_that_several_targets_share_is_one(variants: list[VariantFiles]) -> None:
    other = replace(variants[0], name="other", target="onnxruntime")
    view = compared([variants[0], other, variants[1]])
    assert [(recipe.name, recipe.number) for recipe in view.recipes] == [("awq-w4", 1), ("rtn-w4", 3)]


def test_without_recipes_there_is_no_section(variants: list[VariantFiles]) -> None:
    assert layers(collect(variants[3:4]).variants) is None


def test_the_best_is_marked_and_counted_and_the_worst_layer_first(variants: list[VariantFiles]) -> None:
    view = compared(variants[:3])
    assert sum(recipe.wins for recipe in view.recipes) == len(view.rows) == 12
    assert all(recipe.contests == 12 for recipe in view.recipes)
    worst = [min(cell.layer.snr_db or 0 for cell in row.cells if cell.layer) for row in view.rows]
    assert worst == sorted(worst)
    for row in view.rows:
        snr = [cell.layer.snr_db or 0 for cell in row.cells if cell.layer]
        assert [cell.best for cell in row.cells] == [value == max(snr) for value in snr]


@pytest.mark.parametrize(
    ("fields", "best", "contests"),
    [({"bits": 8}, [False, False], 0), ({"group": 64}, [False, False], 0), ({"format": "mxfp4"}, [False, False], 0),
     ({"output_mse": None, "output_snr_db": None}, [False, False], 0),
     ({"output_snr_db": None}, [False, True], 1), ({"output_snr_db": -50.0}, [True, False], 1)],
)  # fmt: skip
def test_only_layers_of_one_grid_that_were_measured_compete(
    variants: list[VariantFiles], fields: dict[str, Any], best: list[bool], contests: int
) -> None:
    for files in variants[:2]:
        edit(files, lambda modules: modules.__delitem__(slice(1, None)))
    edit(variants[1], lambda modules: modules[0].update(fields))
    view = compared(variants[:2])
    assert [cell.best for cell in view.rows[0].cells] == best
    assert [recipe.contests for recipe in view.recipes] == [contests, contests]


def test_equal_figures_win_together_unless_all_are_equal(variants: list[VariantFiles]) -> None:
    for files, figures in zip(variants[:3], ((20.0, 20.0), (20.0, 20.0), (19.0, 20.0)), strict=True):
        edit(files, lambda modules: modules.__delitem__(slice(2, None)))
        edit(files, lambda modules, f=figures: [m.update(output_snr_db=v) for m, v in zip(modules, f, strict=True)])
    assert [recipe.wins for recipe in compared(variants[:3]).recipes] == [1, 1, 0]


def test_a_layer_that_a_recipe_left_float_has_an_empty_cell(variants: list[VariantFiles]) -> None:
    edit(variants[0], lambda modules: modules.pop(0))
    rows = compared(variants[:2]).rows
    assert len(rows) == 12
    assert sum(row.cells[0].layer is None for row in rows) == 1


@pytest.mark.parametrize(
    ("fields", "text"),
    [({}, "int4 g32"), ({"group": None, "bits": 8, "symmetric": False}, "int8 per row, asymmetric"),
     ({"format": "mxfp4"}, "mxfp4")],
)  # fmt: skip
def test_grids_as_text(fields: dict[str, Any], text: str) -> None:
    values = {"scope": "a", "operator": None, "format": "int", "bits": 4, "group": 32, "symmetric": True,
              "algorithm": "rtn", "weight_mse": None, "output_mse": None, "snr_db": None, "rtn_output_mse": None,
              "gain_db": None, "failure": None}  # fmt: skip
    assert grid_text(LayerRecord.model_validate(values | fields)) == text


def test_the_commonest_reason_comes_first() -> None:
    left = [LeftRecord(scope=scope, reason=reason) for scope, reason in (("a", "x"), ("b", "y"), ("c", "y"))]
    assert reasons(left) == [("y", 2), ("x", 1)]
