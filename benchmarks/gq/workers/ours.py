"""Edgewright: a shipped model on the map of a target."""


from benchmarks.gq.workers import harness


def prepare(job: dict):
    from benchmarks.gq import models, ours

    scheme, target = ours.SCHEMES[job["setting"]["scheme"]], job["setting"]["target"]
    ours.float_program(job["model"], target)
    inputs = models.data(job["model"], "calib").inputs

    def quantize():
        return ours.runner(ours.program(job["model"], target, scheme, inputs).program)

    return quantize


if __name__ == "__main__":
    harness.main(prepare)
