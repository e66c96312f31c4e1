"""Write a workspace of this repository's shape into a folder."""

import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

from edgewright.engine.first_params import Choice, text
from edgewright.errors import ConfigError, InputError

SHAPE = ("dvc.yaml", "prefect.yaml", ".gitignore", ".dvcignore", "stages", "flows")
"""Files and folders that a workspace has beside params.yaml, copied as they are."""

_PACKAGED = "_workspace"
_SAMPLES = "data/samples"
_EXAMPLE_ONLY = (
    "# An example: its models and samples are not in this folder. Put yours in their place, or begin with\n"
    "# `edgewright init DIR --sample`, or with `edgewright init DIR --model M --data D --target T`.\n"
)
_DVC = {
    "config": "[core]\n    analytics = false\n    check_update = false\n",
    ".gitignore": "/config.local\n/tmp\n/cache\n",
}


def workspace_files() -> Path:
    """The folder that a workspace is copied from: package data of a wheel, the repository of an editable checkout."""
    package = Path(str(files("edgewright")))
    packaged = package / _PACKAGED
    root = packaged if packaged.is_dir() else package.parent
    if not (root / "dvc.yaml").is_file():
        raise InputError(f"{root}: dvc.yaml is missing; this installation of edgewright is incomplete")
    return root


def init(folder: Path, choice: Choice | None = None, *, sample: bool = False) -> list[str]:
    """Write a workspace; the names of what was written.

    A git repository and DVC's folder are made where they are absent. Nothing that exists is overwritten.

    Args:
        folder: where; made if absent.
        choice: the first variant; without it params.yaml is the commented default of the embedded models.
        sample: bring the embedded models and samples along, so that the default runs.

    Raises:
        ConfigError: a file of the workspace exists already, or the choice cannot work.
        InputError: a file of the choice is missing, or git is.
    """
    source = workspace_files()
    if sample and not (source / _SAMPLES).is_dir():
        raise ConfigError("--sample: this installation has no embedded models; they are in the source repository")
    default = (source / "params.yaml").read_text(encoding="utf-8")
    params = text(choice, folder) if choice else default if sample else _EXAMPLE_ONLY + default
    taken = [name for name in (*SHAPE, "params.yaml") if (folder / name).exists() and name != ".gitignore"]
    if taken:
        raise ConfigError(f"{folder}: {', '.join(taken)} exist already; give a new folder, or remove them")
    folder.mkdir(parents=True, exist_ok=True)
    for name in (*SHAPE, *([_SAMPLES] if sample else [])):
        _copy(source / name, folder / name)
    (folder / "params.yaml").write_text(params, encoding="utf-8")
    if not _inside_git(folder):
        _run(folder, "git", "init", "-q")
    _init_dvc(folder)
    return sorted((*SHAPE, "params.yaml"))


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    elif target.name == ".gitignore" and target.exists():
        kept = target.read_text(encoding="utf-8").splitlines()
        added = [line for line in source.read_text(encoding="utf-8").splitlines() if line not in kept or not line]
        target.write_text("\n".join([*kept, *added]) + "\n", encoding="utf-8")
    else:
        shutil.copyfile(source, target)


def _inside_git(folder: Path) -> bool:
    return any((parent / ".git").exists() for parent in (folder.resolve(), *folder.resolve().parents))


def _init_dvc(folder: Path) -> None:
    """What `dvc init` would write, without its greeting and with telemetry off."""
    if (folder / ".dvc").is_dir():
        return
    (folder / ".dvc").mkdir()
    for name, content in _DVC.items():
        (folder / ".dvc" / name).write_text(content, encoding="utf-8")


def _run(folder: Path, *command: str) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise InputError(f"{command[0]}: not installed") from error
    except subprocess.CalledProcessError as error:
        raise InputError(f"{' '.join(command)}: {error.stderr.strip()}") from error
