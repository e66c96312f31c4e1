import numpy as np

from benchmarks.gq import ours
from benchmarks.gq.evaluation import evaluate, logits_of
from edgewright import targets
from edgewright.gq import validate


def test_every_scheme_runs_on_every_map():
    for target in ours.TARGETS:
        for name, scheme in ours.SCHEMES.items():
            validate.check(ours.with_four_bits(targets.load(target)), scheme, name)


def test_images_are_those_of_the_stages():
    images = ours.data("resnet20", "calib").images
    assert images.shape == (500, 3, 32, 32)
    raw = ours.data("resnet8", "calib").images
    np.testing.assert_allclose(images[0, 1], (raw[0, 1] / 255 - 0.456) / 0.224, rtol=1e-4, atol=1e-6)


def test_four_bit_weights_are_near_float_on_few_images():
    target, calibration = "ethos-u85-256", ours.data("resnet8", "calib")
    found = ours.program("resnet8", target, ours.SCHEMES["w4a8"], calibration.images[:48])
    assert {item["bits"] for item in found.encodings["weights"]} == {4}
    images, labels = calibration.images[48:148], calibration.labels[48:148]
    reference = logits_of(ours.runner(ours.float_program("resnet8", target)), images)
    figures = evaluate(ours.runner(found.program), reference, images, labels)
    # Rounding to nearest has 13 dB here.
    assert figures.snr_db > 18
