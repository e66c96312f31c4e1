from pathlib import Path
from typing import Any

import pytest

from edgewright.files import read_json, write_json
from edgewright.report import VariantFiles, collect_variant
from edgewright.report.changes import fewer_samples


def found(variants: list[VariantFiles], name: str, **metric: Any) -> bool:
    """Whether a variant is marked, its compiled artifact having other figures of its metric."""
    files = next(item for item in variants if item.name == name)
    path = files.stages[-1].metrics or Path()
    written = read_json(path)
    write_json(path, written | {"metric": written["metric"] | metric})
    return fewer_samples(collect_variant(files))


@pytest.mark.parametrize(("name", "samples", "reference"), [
    ("resnet8--none--w8a8--ethos-u85-256", 500, 86.2), ("resnet8--none--w8a8--ethos-u85-256", 500, 86.6),
    ("toycar--none--w8a8--ethos-u85-256", 500, 0.0),
    ("english-llama--awq-w4--w4a8-dynamic--xnnpack", 64, None),
])  # fmt: skip
def test_fewer_samples_are_marked_whatever_the_figures(
    variants: list[VariantFiles], name: str, samples: int, reference: float | None
) -> None:
    assert found(variants, name, samples=samples, reference=reference)


def test_equal_samples_are_not_marked(variants: list[VariantFiles]) -> None:
    assert not found(variants, "resnet8--none--w8a8--xnnpack", reference=86.2)
    failed = next(item for item in variants if item.failure)
    assert not fewer_samples(collect_variant(failed))
