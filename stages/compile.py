"""compile: turn a Program into the artifact of its target."""

from edgewright.engine import stage


def run(context: stage.Context) -> None:
    """Write the artifact, `manifest.json` and what the toolchain leaves beside them."""
    from edgewright import ir, targets
    from edgewright.models.spec import ModelSpec
    from edgewright.targets import handoff

    target = targets.load(context.item["target"])
    program = ir.load(context.inputs["gq"] / "program.pt2")
    batch = context.params.models[context.item["model"]].export.batch
    inputs = [tensor.numpy() for tensor in ir.example_inputs(program, batch)[0]]
    targets.adapter(target).compile(program, target, context.out, batch_inputs=inputs)
    handoff.write(context.out, ModelSpec.read(context.inputs["model"]))


if __name__ == "__main__":
    stage.main("compile", run)
