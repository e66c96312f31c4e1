"""Is this file what the lock says, and what was it made from?

DVC's digests are computed here anew, without DVC: the md5 of a file, or of the JSON listing of a folder.
"""

import hashlib
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from edgewright.engine.workspace import Workspace
from edgewright.errors import InputError
from edgewright.files import read_json, read_yaml, sha256_file

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Step:
    """A stage instance that the artifact was made by, or from.

    Attributes:
        name: `aq@KEY`.
        params: the values that DVC recorded, file to flat key to value; code digests among them.
        sources: inputs that no stage makes, path to md5.
        outputs: path to md5 as recorded.
        changed: outputs and sources whose bytes on disk are others than recorded.
        absent: outputs and sources that are not on disk.
    """

    name: str
    params: Mapping[str, Mapping[str, Any]]
    sources: Mapping[str, str]
    outputs: Mapping[str, str]
    changed: tuple[str, ...]
    absent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verification:
    """What is known of an artifact.

    Attributes:
        path: the artifact's path in the workspace, relative.
        sha256: of the file, hexadecimal; of the file that the manifest names if a folder was given.
        commit: the git commit that brought this artifact into dvc.lock; None if it was not committed.
        dirty: dvc.lock in the working tree differs from the last commit.
        versions: of the toolchain, from the manifest; empty for what was not compiled.
        steps: the lineage, the artifact's own stage first, each after what was made from it.
        problems: a line for each thing that is not as recorded; empty when the artifact is right.
    """

    path: str
    sha256: str | None
    commit: str | None
    dirty: bool
    versions: Mapping[str, str]
    steps: tuple[Step, ...]
    problems: tuple[str, ...]


def verify(workspace: Workspace, artifact: Path) -> Verification:
    """Check an artifact against dvc.lock and its manifest, and walk through its lineage.

    Args:
        workspace: the workspace that it was built in.
        artifact: a file or folder of an artifact in the workspace, or a copy of a compiled file from anywhere,
            which is found by its sha256.

    Raises:
        InputError: there is no such file, or no stage of the workspace has made it.
    """
    if not artifact.exists():
        raise InputError(f"{artifact}: no such file")
    lock = _Lock(workspace)
    path, owner = lock.find(artifact)
    steps = tuple(lock.lineage(owner))
    manifest = _manifest(workspace.root / path)
    sha256 = _sha256(workspace.root, path, artifact, manifest)
    problems = [f"{name} is not as {step.name} recorded it" for step in steps for name in step.changed]
    if manifest and manifest["sha256"] != sha256 and _is_compiled_file(artifact, path, workspace.root, manifest):
        problems.append(f"{path}/{manifest['artifact']}: its sha256 is not the manifest's {manifest['sha256']}")
    return Verification(
        path=path, sha256=sha256, commit=_commit(workspace.root, path, lock.outputs[path][1]),
        dirty=bool(_git(workspace.root, "status", "--porcelain", "--", workspace.lock_file.name)),
        versions=manifest.get("versions", {}), steps=steps, problems=tuple(dict.fromkeys(problems)),
    )


def md5_of(path: Path) -> str:
    """DVC's digest: hexadecimal md5 of a file, or of a folder's listing, with the suffix `.dir`."""
    if path.is_file():
        digest = hashlib.md5(usedforsecurity=False)
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
        return digest.hexdigest()
    files = sorted((item.relative_to(path).as_posix(), item) for item in path.rglob("*") if item.is_file())
    listing = json.dumps([{"md5": md5_of(item), "relpath": name} for name, item in files], sort_keys=True)
    return f"{hashlib.md5(listing.encode(), usedforsecurity=False).hexdigest()}.dir"


class _Lock:
    """dvc.lock as a graph."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        if not workspace.lock_file.is_file():
            raise InputError(f"{workspace.lock_file.name}: missing; nothing was built here, `edgewright run` builds")
        value = read_yaml(workspace.lock_file) or {}
        self.stages: Mapping[str, Any] = value.get("stages", {})
        self._digests: dict[str, str] = {}

    @cached_property
    def outputs(self) -> dict[str, tuple[str, str]]:
        """Path of an output to the stage instance and the md5."""
        return {
            out["path"]: (name, out["md5"]) for name, stage in self.stages.items() for out in stage.get("outs", ())
        }

    def find(self, artifact: Path) -> tuple[str, str]:
        """Path of the output that `artifact` is or lies in, and the stage instance that makes it."""
        root = self.workspace.root
        absolute = artifact.resolve()
        if absolute.is_relative_to(root):
            relative = absolute.relative_to(root)
            for candidate in (relative, *relative.parents):
                if candidate.as_posix() in self.outputs:
                    return candidate.as_posix(), self.outputs[candidate.as_posix()][0]
        if absolute.is_file() and (path := self._compiled_as(sha256_file(absolute))):
            return path, self.outputs[path][0]
        raise InputError(f"{artifact}: no stage in dvc.lock has made it, and no compiled artifact here has its sha256")

    def _compiled_as(self, sha256: str) -> str | None:
        for path in sorted(self.outputs):
            if path.startswith("data/compile/") and _manifest(self.workspace.root / path).get("sha256") == sha256:
                return path
        return None

    def lineage(self, owner: str) -> Iterator[Step]:
        """The steps back from `owner`, breadth first and each once."""
        pending, seen = [owner], {owner}
        while pending:
            name = pending.pop(0)
            stage = self.stages[name]
            sources = {}
            for dependency in stage.get("deps", ()):
                if dependency["path"] not in self.outputs:
                    sources[dependency["path"]] = dependency["md5"]
                elif (above := self.outputs[dependency["path"]][0]) not in seen and "@" in above:
                    seen.add(above)
                    pending.append(above)
            outputs = {out["path"]: out["md5"] for out in stage.get("outs", ())}
            mixed = self._stale_inputs(stage)
            expected = {**sources, **outputs}
            yield Step(
                name, stage.get("params", {}), sources, outputs,
                tuple(path for path, md5 in expected.items() if self._digest(path) not in (md5, None)) + mixed,
                tuple(path for path in expected if self._digest(path) is None),
            )

    def _stale_inputs(self, stage: Mapping[str, Any]) -> tuple[str, ...]:
        """Inputs that were made by another stage and have been made anew since."""
        made = {path: md5 for path, (_, md5) in self.outputs.items()}
        return tuple(
            item["path"] for item in stage.get("deps", ()) if made.get(item["path"], item["md5"]) != item["md5"]
        )

    def _digest(self, path: str) -> str | None:
        if path not in self._digests and (self.workspace.root / path).exists():
            self._digests[path] = md5_of(self.workspace.root / path)
        return self._digests.get(path)


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        value: dict[str, Any] = read_json(folder / "manifest.json")
    except (OSError, ValueError):
        return {}
    return value if "sha256" in value and "artifact" in value else {}


def _sha256(root: Path, path: str, artifact: Path, manifest: Mapping[str, Any]) -> str | None:
    if artifact.is_file():
        return sha256_file(artifact)
    named = root / path / str(manifest.get("artifact", ""))
    return sha256_file(named) if named.is_file() else None


def _is_compiled_file(artifact: Path, path: str, root: Path, manifest: Mapping[str, Any]) -> bool:
    named = (root / path / str(manifest["artifact"])).resolve()
    return artifact.is_dir() or artifact.resolve() == named


def _commit(root: Path, path: str, md5: str) -> str | None:
    """The newest commit whose dvc.lock has this digest for this output while its parent's has not."""
    if not _has_output(root, "HEAD", path, md5):
        return None
    either = f"{re.escape(path)}|{re.escape(md5)}".replace("\\-", "-")
    commits = _git(root, "log", "--format=%H", "--extended-regexp", f"-G{either}", "--", "dvc.lock").split()
    return next((commit for commit in commits if _has_output(root, commit, path, md5)
                 and not _has_output(root, f"{commit}^", path, md5)), None)


def _has_output(root: Path, revision: str, path: str, md5: str) -> bool:
    """Whether dvc.lock as committed says that a stage has made `path` with this digest."""
    text = _git(root, "show", f"{revision}:./dvc.lock")
    if path not in text or md5 not in text:
        return False
    stages = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)).get("stages", {})
    return any((out["path"], out["md5"]) == (path, md5) for stage in stages.values() for out in stage.get("outs", ()))


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""

