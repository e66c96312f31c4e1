from edgewright.report import Report, VariantFiles, collect, join_run_record


def test_states_and_seconds_come_from_the_run_record(variants: list[VariantFiles]) -> None:
    report = collect(variants).model_dump(mode="json")
    name = "resnet8--none--w8a8--xnnpack"
    joined = join_run_record(
        report,
        {"instances": {"model@resnet8": {"state": "Cached", "seconds": 0.0},
                       f"gq@{name}": {"state": "Completed", "seconds": 4.5, "error": None}}},
    )  # fmt: skip
    assert Report.model_validate(joined)
    rows = {row["stage"]: row for row in next(v for v in joined["variants"] if v["name"] == name)["stages"]}
    assert (rows["float"]["state"], rows["gq"]["state"], rows["gq"]["seconds"]) == ("Cached", "Completed", 4.5)
    assert rows["compile"]["state"] is None
    assert report["variants"][0]["stages"][0]["state"] is None


def test_the_first_error_is_the_reason_of_a_failed_variant_only(variants: list[VariantFiles]) -> None:
    report = collect(variants).model_dump(mode="json")
    failed = "resnet8--none--w8a8--ethos-u55-128"
    errors = {
        f"{stage}@{name}": {"state": "Failed", "seconds": 1.0, "error": f"{stage} broke"}
        for name in (failed, "resnet8--none--w8a8--xnnpack")
        for stage in ("gq", "compile")
    }
    reasons = {item["name"]: item["reason"] for item in join_run_record(report, {"instances": errors})["variants"]}
    assert reasons[failed] == "gq: gq broke"
    assert reasons["resnet8--none--w8a8--xnnpack"] is None
