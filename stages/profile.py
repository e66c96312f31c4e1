"""profile: measure a compiled artifact in turns with the float build, or read the compiler's estimates."""

from edgewright.engine import stage


def run(context: stage.Context) -> None:
    """Write `profile.json`."""
    from edgewright import profile, targets
    from edgewright.datasets import Sample
    from edgewright.files import write_json

    options = context.params.profile
    folder, floating = context.inputs["compile"], context.inputs["float"]
    entry = context.params.models[context.item["model"]]
    sample = Sample.load(context.inputs["calibration"] / "sample.parquet")
    measured = profile.measure(
        folder,
        None if floating == folder else floating,
        targets.load(context.item["target"]),
        next(sample.batches(entry.export.batch)),
        threads=options.threads,
        runs=options.runs,
        warmup=options.warmup,
    )
    write_json(context.out / "profile.json", measured)


if __name__ == "__main__":
    stage.main("profile", run)
