"""What an engineer who integrates an artifact needs beside it: signature, preprocessing, labels."""

from pathlib import Path

from edgewright.files import write_json
from edgewright.models.spec import ModelSpec
from edgewright.targets import manifest

FILE = "handoff.json"


def write(folder: Path, spec: ModelSpec) -> None:
    """Write `handoff.json` into the artifact's folder, from its manifest and the model's spec.

    It holds the task, the inputs and outputs with their quantization parameters, the preprocessing
    (`((x * scale) - mean) / std` on RGB values 0 to 255 for images) and the labels in the order of the logits.
    """
    compiled = manifest.load(folder)
    write_json(folder / FILE, {
        "schema": 1,
        "artifact": compiled["artifact"],
        "sha256": compiled["sha256"],
        "task": spec.task,
        "inputs": compiled["inputs"],
        "outputs": compiled["outputs"],
        "preprocess": dict(spec.preprocess) if spec.task == "image-classification" else None,
        "labels": list(spec.labels),
        "vocabulary": spec.vocabulary,
    })
