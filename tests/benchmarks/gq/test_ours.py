import numpy as np

from benchmarks.gq import models, ours
from benchmarks.gq.evaluation import evaluate
from edgewright import targets
from edgewright.gq import validate


def test_every_scheme_runs_on_every_map():
    for target in ours.TARGETS:
        for name, scheme in ours.SCHEMES.items():
            if "dynamic" in name and target == "ethos-u85-256":
                continue
            validate.check(ours.with_four_bits(targets.load(target)), scheme, name)


def test_images_are_those_of_the_stages():
    images = models.data("resnet20", "calib").inputs
    assert images.shape == (500, 3, 32, 32)
    raw = models.data("resnet8", "calib").inputs
    np.testing.assert_allclose(images[0, 1], (raw[0, 1] / 255 - 0.456) / 0.224, rtol=1e-4, atol=1e-6)


def test_four_bit_weights_are_near_float_on_few_images():
    target, calibration = "ethos-u85-256", models.data("resnet8", "calib")
    found = ours.program("resnet8", target, ours.SCHEMES["w4a8"], calibration.inputs[:48])
    assert {item["bits"] for item in found.encodings["weights"]} == {4}
    images, labels = calibration.inputs[48:148], calibration.labels[48:148]
    reference = ours.output("resnet8", ours.float_program("resnet8", target), images)
    figures = evaluate(ours.output("resnet8", found.program, images), reference, labels)
    # Rounding to nearest has 13 dB here.
    assert figures.snr_db > 18
