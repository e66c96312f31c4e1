"""Edgewright: a shipped classifier on the map of a target."""


from benchmarks.gq.workers import harness


def prepare(job: dict):
    from benchmarks.gq import ours

    scheme, target = ours.SCHEMES[job["setting"]["scheme"]], job["setting"]["target"]
    ours.float_program(job["model"], target)
    images = ours.data(job["model"], "calib").images

    def quantize():
        return ours.runner(ours.program(job["model"], target, scheme, images).program)

    return quantize


if __name__ == "__main__":
    harness.main(prepare)
