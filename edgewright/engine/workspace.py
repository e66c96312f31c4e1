"""Where things lie in a workspace: the folder with params.yaml, dvc.yaml and the artifacts."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgewright import config, targets
from edgewright.errors import ConfigError
from edgewright.files import read_json

STAGES = ("model", "holdout", "calibration", "aq", "ir", "go", "gq", "compile", "evaluate", "profile")
"""The stages that have one instance per key, in the order of the pipeline; guard and report have one each."""

SEPARATOR = "--"
"""Joins names to keys; names may not contain it."""


TARGETS = "targets"
"""Folder of a workspace with target files of its own."""


def instance(stage: str, key: str | None) -> str:
    """Name of a stage instance as DVC spells it: `aq@KEY`, or `report`."""
    return f"{stage}@{key}" if key else stage


def instances(variant: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the stage instances that a variant of the plan needs: in the order of the pipeline, those of its
    float build last."""
    names = []
    for chain in filter(None, (variant, variant["float"])):
        names += [instance(stage, chain["keys"][stage]) for stage in STAGES if stage in chain["keys"]]
        names += [instance("evaluate", key) for key in chain["evaluate"].values()]
    return tuple(names)


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace by its root folder (absolute); its own targets are found by name from now on."""

    root: Path

    def __post_init__(self) -> None:
        targets.look_in(self.root / TARGETS)

    @classmethod
    def find(cls, start: Path | None = None) -> "Workspace":
        """The workspace that `start` (the current folder by default) lies in.

        Raises:
            ConfigError: no parent folder holds params.yaml and dvc.yaml.
        """
        folder = (start or Path.cwd()).resolve()
        for candidate in (folder, *folder.parents):
            if (candidate / "params.yaml").is_file() and (candidate / "dvc.yaml").is_file():
                return cls(candidate)
        raise ConfigError(f"{folder}: no params.yaml and dvc.yaml here or above; `edgewright init DIR` writes them")

    @property
    def params_file(self) -> Path:
        """What the user edits."""
        return self.root / "params.yaml"

    @property
    def plan_file(self) -> Path:
        """The generated structure: which stage instances exist, and what feeds what."""
        return self.root / "plan.json"

    @property
    def code_file(self) -> Path:
        """The generated digests of the code behind each stage and choice."""
        return self.root / "code.json"

    @property
    def dvc_file(self) -> Path:
        """The stages."""
        return self.root / "dvc.yaml"

    @property
    def lock_file(self) -> Path:
        """DVC's record of what was built."""
        return self.root / "dvc.lock"

    @property
    def scratch(self) -> Path:
        """Logs, markers and what was read of the code; never an artifact."""
        return self.root / ".edgewright"

    def log(self, name: str) -> Path:
        """What the stage instance `name` printed when it last ran."""
        return self.scratch / "logs" / f"{name.replace('@', '--')}.log"

    def marker(self, name: str) -> Path:
        """Where the stage instance `name` tells how it ended."""
        return self.scratch / "markers" / f"{name.replace('@', '--')}.json"

    def relative(self, stage: str, key: str) -> str:
        """Path of an artifact below the root, as dvc.yaml writes it."""
        return f"data/{stage}/{key}"

    def artifact(self, stage: str, key: str) -> Path:
        """Folder of the artifact that `stage` makes for `key`."""
        return self.root / "data" / stage / key

    def params(self) -> config.Params:
        """The validated configuration."""
        return config.load(self.params_file)

    def plan(self) -> dict[str, Any]:
        """What stands below `plan` in plan.json; there, as DVC merges the file's top level with params.yaml's.

        Raises:
            ConfigError: it is missing or broken.
        """
        try:
            value: dict[str, Any] = read_json(self.plan_file)["plan"]
        except FileNotFoundError as error:
            raise ConfigError(f"{self.plan_file.name}: missing; `edgewright plan` writes it") from error
        except (ValueError, KeyError) as error:
            raise ConfigError(f"{self.plan_file.name}: not a plan; `edgewright plan` writes it anew") from error
        return value
