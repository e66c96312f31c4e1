"""`edgewright verify`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from edgewright.engine.verify import Step, Verification

EXAMPLES = (
    ("edgewright verify data/compile/KEY", "a compiled artifact of this workspace"),
    ("edgewright verify /media/board/model.pte", "a copy from anywhere, found by its sha256"),
)


def command(
    artifact: Annotated[
        Path, typer.Argument(metavar="ARTIFACT", help="File or folder of an artifact, or a copy of it.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Check an artifact against dvc.lock and its manifest, and show all that it was made from."""
    from edgewright.engine.verify import verify
    from edgewright.engine.workspace import Workspace
    from edgewright.errors import InputError

    found = verify(Workspace.find(), artifact)
    if as_json:
        import json
        from dataclasses import asdict

        print(json.dumps(asdict(found), indent=1, sort_keys=True, default=list))
    else:
        _show(found)
    if found.problems:
        raise InputError("\n".join(found.problems))


def _show(found: "Verification") -> None:
    if found.sha256:
        print(f"sha256    {found.sha256}")
    print(f"artifact  {found.path}")
    changed = "; dvc.lock has changed since" if found.dirty else ""
    print(f"commit    {found.commit}{changed}" if found.commit else "commit    none: this result is not in git")
    if found.versions:
        print(f"versions  {', '.join(f'{name} {version}' for name, version in sorted(found.versions.items()))}")
    print("made by, and from:")
    for step in found.steps:
        _show_step(step)
    if not found.problems:
        absent = sorted({path for step in found.steps for path in step.absent})
        print(f"right: every file that is here is as recorded ({len(found.steps)} stages)")
        if absent:
            print(f"not here, so not compared: {', '.join(absent)}")


def _show_step(step: "Step") -> None:
    print(f"  {step.name}")
    for path, md5 in step.outputs.items():
        print(f"    made    {md5}  {path}")
    for path, md5 in step.sources.items():
        print(f"    source  {md5}  {path}")
    for file, values in step.params.items():
        for key, value in values.items():
            print(f"    {'code  ' if file == 'code.json' else 'params'}  {key}: {value}")
