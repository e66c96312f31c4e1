"""evaluate: run the artifact of a stage over the held-out sample."""

from edgewright.engine import stage


def run(context: stage.Context) -> None:
    """Write `metrics.json`."""
    from edgewright import targets
    from edgewright.datasets import Sample
    from edgewright.evaluate import evaluate, runners
    from edgewright.files import write_json
    from edgewright.models import weights
    from edgewright.models.load import load

    options = context.params.evaluate
    sample = Sample.load(context.inputs["holdout"] / "sample.parquet")
    model = load(context.inputs["model"], context.workspace.root)
    reference = runners.from_model(model, model.spec.float_bytes)
    artifact, kind = context.inputs["artifact"], context.item["stage"]
    runner = reference
    if kind == "aq":
        checkpoint = load(artifact, context.workspace.root)
        runner = runners.from_model(checkpoint, sum(file.stat().st_size for file in weights.files(artifact)))
    elif kind in ("go", "gq"):
        runner = runners.from_program(artifact / "program.pt2", model.spec.task)
    elif kind == "compile":
        target = targets.load(context.item["runtime"])
        runner = runners.from_artifact(artifact, target, context.params.models[context.item["model"]].export.batch)
        if target.estimate:
            sample = sample.head(options.simulator_samples)
    metrics = evaluate(
        runner.run,
        sample,
        model.spec.task,
        reference=None if kind == "model" else reference.run,
        batch=runner.batch,
        drift_samples=options.drift_samples,
        runtime=runner.runtime,
        size_bytes=runner.size_bytes,
        progress=context.progress(),
    )
    write_json(context.out / "metrics.json", metrics)


if __name__ == "__main__":
    stage.main("evaluate", run)
