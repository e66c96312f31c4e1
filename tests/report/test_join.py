from edgewright.report import Report, VariantFiles, collect, join_run_record

NAME = "resnet8--none--w8a8--xnnpack"
FAILED = "resnet8--none--w8a8--ethos-u55-128"


def ended(state: str, seconds: float, message: str | None = None, exit_code: int = 0) -> dict[str, object]:
    """An instance as run.json has it."""
    return {"state": state, "seconds": seconds, "message": message, "exit_code": exit_code}


def test_states_and_seconds_come_from_the_run_record(variants: list[VariantFiles]) -> None:
    report = collect(variants).model_dump(mode="json")
    stages = {"model@resnet8": ended("Cached", 0.0), f"gq@{NAME}": ended("Completed", 4.5)}
    joined = join_run_record(report, {"schema": 1, "stages": stages})
    assert Report.model_validate(joined)
    rows = {row["stage"]: row for row in next(v for v in joined["variants"] if v["name"] == NAME)["stages"]}
    assert (rows["float"]["state"], rows["gq"]["state"], rows["gq"]["seconds"]) == ("Cached", "Completed", 4.5)
    assert rows["compile"]["state"] is None
    assert report["variants"][0]["stages"][0]["state"] is None


def test_the_reason_stays_that_of_the_report(variants: list[VariantFiles]) -> None:
    report = collect(variants).model_dump(mode="json")
    broken = {f"gq@{name}": ended("Failed", 1.0, "gq broke", 3) for name in (FAILED, NAME)}
    joined = join_run_record(report, {"schema": 1, "stages": broken})
    reasons = {item["name"]: item["reason"] for item in report["variants"]}
    assert {item["name"]: item["reason"] for item in joined["variants"]} == reasons
    assert reasons[FAILED] == "gq: the target needs a power-of-two scale for avg_pool2d at stages.2.pool"
