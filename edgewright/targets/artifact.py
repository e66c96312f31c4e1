"""What every toolchain writes into the folder of an artifact: the artifact, its manifest and a runnable example."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from edgewright.files import sha256_file
from edgewright.targets.manifest import Manifest, NotDelegated, TensorSignature
from edgewright.targets.schema import Target

EXAMPLE = "example.py"


@dataclass(frozen=True, slots=True)
class Example:
    """The script beside an artifact that loads it, runs it on zeros and prints the output's shape.

    Attributes:
        text: the script; `{artifact}`, `{target}`, `{versions[PACKAGE]}` and `{inputs}` stand for themselves.
        zeros: one of the inputs, with `{name}`, `{shape}` and `{dtype}`.
    """

    text: str
    zeros: str


def write(
    folder: Path,
    name: str,
    content: bytes,
    target: Target,
    packages: Sequence[str],
    example: Example,
    signatures: tuple[tuple[TensorSignature, ...], tuple[TensorSignature, ...]],
    *,
    delegated: int,
    delegates: int,
    not_delegated: tuple[NotDelegated, ...] = (),
    memory_bytes: int | None = None,
) -> Manifest:
    """Write the artifact `name`, `manifest.json` and `example.py` into `folder`.

    Args:
        folder: made where it is missing.
        name: of the artifact's file.
        content: its bytes.
        target: what it was compiled for.
        packages: distributions whose versions shaped the bytes.
        example: the toolchain's script.
        signatures: inputs and outputs.
        delegated, delegates, not_delegated, memory_bytes: fields of the manifest.
    """
    folder.mkdir(parents=True, exist_ok=True)
    artifact = folder / name
    artifact.write_bytes(content)
    inputs, outputs = signatures
    versions = {package: version(package).partition("+")[0] for package in packages}
    manifest = Manifest(
        target=target.name, toolchain=target.toolchain, artifact=name, sha256=sha256_file(artifact),
        size_bytes=len(content), delegated=delegated, delegates=delegates, not_delegated=not_delegated,
        versions=versions, memory_bytes=memory_bytes, inputs=inputs, outputs=outputs,
    )  # fmt: skip
    manifest.save(folder)
    zeros = [example.zeros.format(name=item.name, shape=item.shape, dtype=item.dtype) for item in inputs]
    text = example.text.format(artifact=name, target=target.name, versions=versions, inputs=", ".join(zeros))
    (folder / EXAMPLE).write_text(text, encoding="utf-8")
    return manifest
