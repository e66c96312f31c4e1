import io

from rich.console import Console

from edgewright.files import read_json, write_json
from edgewright.report import VariantFiles, collect, join_run_record, print_report


def printed(variants: list[VariantFiles], run: dict[str, object] | None = None, width: int = 80) -> str:
    out = io.StringIO()
    report = join_run_record(collect(variants).model_dump(mode="json"), run or {})
    print_report(report, Console(file=out, width=width, no_color=True))
    return out.getvalue()


def test_a_row_for_each_stage_with_its_change(variants: list[VariantFiles]) -> None:
    lines = printed(variants[:1]).splitlines()
    assert lines[0].split() == ["english-llama--awq-w4--w4a8-dynamic--xnnpack", "ok"]
    assert [line.split()[0] for line in lines[2:7]] == ["float", "after", "after", "after", "compiled"]
    assert lines[6].split() == ["compiled", "46.31", "+1.51", "3.12", "MB", "4.7×", "14.1", "ms", "2.7×"]


def test_eighty_columns_are_enough(variants: list[VariantFiles]) -> None:
    run = {"stages": {f"gq@{item.name}": {"state": "Completed", "seconds": 123.4} for item in variants}}
    text = printed(variants, run)
    assert "Completed" in text
    assert "123 s" in text
    assert max(map(len, text.splitlines())) <= 80


def test_marks_and_totals(variants: list[VariantFiles]) -> None:
    text = printed(variants, width=200)
    assert "~0.109 ms" in text
    assert "estimate: Vela" in text
    assert "synthetic input" in text
    assert "500 samples, on which float has 86.20 %" in text
    assert "failed  gq: the target needs" in text
    assert text.rstrip().endswith("11 variants: 8 ok, 2 rejected, 1 failed")


def test_layers_that_failed_are_counted(variants: list[VariantFiles]) -> None:
    path = variants[0].layers
    assert path is not None
    assert "became" not in printed(variants[:1])
    failure = {"module": "a", "reason": "no token goes through it", "became": "rtn"}
    write_json(path, read_json(path) | {"failures": [failure, failure]})
    assert "  aq: 2 layers failed, 2 became rtn" in printed(variants[:1])


def test_brackets_in_a_reason_are_text(variants: list[VariantFiles]) -> None:
    from dataclasses import replace

    assert "shape [1, 4] [bold]x" in printed([replace(variants[0], failure="shape [1, 4] [bold]x")], width=200)


def test_a_device_without_known_latency_says_so(variants: list[VariantFiles]) -> None:
    profile = variants[0].profile
    assert profile is not None
    kept = read_json(profile)
    nothing = {"compiled": None, "float": None}
    write_json(profile, {
        **kept, "source": "the device's is not known; onnxruntime 1.0 executes the artifact here in 2.00 ms",
        "latency_ms": nothing, "memory_bytes": nothing, "operators": [],
    })
    try:
        text = printed(variants[:1], width=200)
    finally:
        write_json(profile, kept)
    assert "latency: the device's is not known; onnxruntime 1.0 executes the artifact here in 2.00 ms" in text
    assert "14.1" not in text
