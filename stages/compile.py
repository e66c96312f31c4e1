"""compile: turn a Program into the artifact of its target."""

from edgewright.engine import stage


def run(context: stage.Context) -> None:
    """Write the artifact, `manifest.json` and what the toolchain leaves beside them."""
    from edgewright import ir, targets
    from edgewright.models.spec import ModelSpec
    from edgewright.targets.handoff import write_handoff

    target = targets.load(context.item["target"])
    program = ir.load(context.inputs["gq"] / "program.pt2")
    entry = context.params.models[context.item["model"]]
    manifest = targets.adapter(target).compile(program, target, context.out, batch=entry.export.batch)
    write_handoff(context.out, manifest, ModelSpec.read(context.inputs["model"]), target)


if __name__ == "__main__":
    stage.main("compile", run)
