"""Push to and pull from a remote everything that was ever built, committed or not.

`dvc push --run-cache` uploads the entries of the run-cache without the objects that they name, so a
configuration that was run but never committed would be computed again elsewhere. Here the objects go
first, then the entries that they make restorable.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgewright.engine import leftovers
from edgewright.engine.repository import open_repository
from edgewright.errors import ConfigError, InputError, first_line, nearest

_ENTRY = re.compile(r"runs/[0-9a-f]{2}/([0-9a-f]{64})/([0-9a-f]{64})$")
_LEGACY = "md5-dos2unix"
_TEMPORARY_REMOTE = "given-on-the-command-line"

OnWait = Callable[[str], None]
"""Called with a line when another process keeps DVC's lock for seconds."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """What a push or a pull moved: files of artifacts, run-cache entries, and entries that are no result there:
    some of their files exist nowhere, or their digest is not their name."""

    remote: str
    objects: int
    entries: int
    incomplete: int


def push(
    root: Path, remote: str | None = None, jobs: int | None = None, on_wait: OnWait = lambda notice: None
) -> Transfer:
    """Upload the files of every run-cache entry and of dvc.lock, then the entries themselves.

    Args:
        root: the workspace.
        remote: name of a DVC remote, a URL or a folder; the default remote of the DVC configuration if None.
        jobs: parallel transfers; DVC's default if None.
        on_wait: as its type says.

    Raises:
        ConfigError: no such remote, or one that keeps no run-cache (HTTP).
        InputError: the remote cannot be written.
    """
    with _repository(root, remote, on_wait) as (repo, name):
        odb = _run_cache_odb(repo, name)
        local = _entries(repo.cache.legacy.fs, repo.cache.legacy.path)
        present = {entry.value for entry in _entries(odb.fs, odb.path)}
        of_workspace = [_expanded(repo, {item}) for item in _of_workspace(repo)]
        hashes = {item for whole in of_workspace if _all_in_cache(repo, whole) for item in whole}
        complete, incomplete = [], 0
        for entry in local:
            used = _expanded(repo, _outputs(entry.path))
            if _all_in_cache(repo, used):
                complete.append(entry)
                hashes |= used
            elif entry.value not in present:
                incomplete += 1
        moved = _transfer(repo.cloud.push, hashes, name, jobs)
        fresh = [entry for entry in complete if entry.value not in present]
        for entry in fresh:
            target = odb.fs.join(odb.path, *entry.parts)
            odb.fs.makedirs(odb.fs.parent(target), exist_ok=True)
            odb.fs.put_file(entry.path, target)
        return Transfer(odb.path, moved, len(fresh), incomplete)


def pull(
    root: Path, remote: str | None = None, jobs: int | None = None, on_wait: OnWait = lambda notice: None
) -> Transfer:
    """Download every run-cache entry with its files, and put dvc.lock's artifacts into the workspace.

    An entry is published only when its digest is its name, so an interrupted transfer leaves nothing
    that looks finished. Arguments and errors as for `push`; also InputError when an artifact in the
    workspace was changed by hand and would be overwritten.
    """
    from dvc.exceptions import CheckoutError, DvcException

    with _repository(root, remote, on_wait) as (repo, name):
        odb = _run_cache_odb(repo, name, must_exist=True)
        present = {entry.value for entry in _entries(repo.cache.legacy.fs, repo.cache.legacy.path)}
        missing = [entry for entry in _entries(odb.fs, odb.path) if entry.value not in present]
        fetched = sum(_fetch_entry(repo, odb, entry) for entry in missing)
        named = [_outputs(entry.path) for entry in _entries(repo.cache.legacy.fs, repo.cache.legacy.path)]
        wanted = _of_workspace(repo).union(*named)
        _transfer(repo.cloud.pull, {item for item in wanted if item.isdir}, name, jobs)
        moved = _transfer(repo.cloud.pull, _expanded(repo, wanted), name, jobs)
        incomplete = sum(not _all_in_cache(repo, _expanded(repo, outputs)) for outputs in named)
        refused = len(missing) - fetched
        try:
            repo.checkout(allow_missing=True)
        except (CheckoutError, DvcException) as error:
            raise InputError(f"pull: cannot put the artifacts in place: {first_line(error)}; remove the changed"
                             " ones, or `dvc checkout --force`") from error
        return Transfer(odb.path, moved, fetched, incomplete + refused)


@contextmanager
def _repository(root: Path, remote: str | None, on_wait: OnWait) -> Iterator[tuple[Any, str]]:
    """The DVC repository, locked, and the name of the remote in its configuration."""
    from dvc.exceptions import DvcException
    from dvc.repo import lock_repo

    try:
        with open_repository(root, on_wait=on_wait) as repo, lock_repo(repo):
            yield repo, _remote_name(repo, remote)
    except DvcException as error:
        raise InputError(first_line(error)) from error


def _remote_name(repo: Any, remote: str | None) -> str:
    known = sorted(repo.config["remote"])
    if remote is None:
        name = repo.config["core"].get("remote")
        if not name:
            raise ConfigError("no default remote; `dvc remote add -d NAME URL` adds one, `--remote URL` names one")
        return str(name)
    if remote in known:
        return remote
    if "://" not in remote and "/" not in remote and not Path(remote).exists():
        near = nearest(remote, known)
        raise ConfigError(f"no remote or folder '{remote}'{near}; a new folder is given as ./{remote}")
    url = remote if "://" in remote else str(Path(remote).absolute())
    repo.config.merge({"remote": {_TEMPORARY_REMOTE: {"url": url}}})
    return _TEMPORARY_REMOTE


def _run_cache_odb(repo: Any, name: str, must_exist: bool = False) -> Any:
    from dvc.config import RemoteConfigError
    from dvc.fs import HTTPFileSystem

    try:
        odb = repo.cloud.get_remote_odb(name, "push", hash_name="md5-dos2unix")
    except RemoteConfigError as error:
        raise ConfigError(f"remote '{name}': {error}") from error
    if isinstance(odb.fs, HTTPFileSystem):
        raise ConfigError(f"remote {odb.path}: HTTP keeps no run-cache; use a shared folder, SSH or an object store")
    if must_exist and not odb.fs.exists(odb.path):
        raise InputError(f"remote {odb.path} does not exist; nobody has pushed to it")
    return odb


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry of a run-cache: digest of what went in, digest of the entry itself, and where it lies."""

    key: str
    value: str
    path: str

    @property
    def parts(self) -> tuple[str, str, str, str]:
        return ("runs", self.key[:2], self.key, self.value)


def _entries(file_system: Any, base: str) -> list[_Entry]:
    """The run-cache entries below `base`, sorted; leftovers of broken transfers are not entries."""
    runs = file_system.join(base, "runs")
    if not file_system.exists(runs):
        return []
    found = ((_ENTRY.search(file_system.as_posix(path)), path) for path in file_system.find(runs))
    return sorted((_Entry(match[1], match[2], path) for match, path in found if match), key=lambda item: item.parts)


def _outputs(entry: str) -> set[Any]:
    """Hashes of the outputs that an entry names."""
    from dvc.utils.serialize import load_yaml
    from dvc_data.hashfile.hash_info import HashInfo

    return {HashInfo(out.get("hash", _LEGACY), out["md5"]) for out in load_yaml(entry).get("outs", ())}


def _expanded(repo: Any, hashes: set[Any]) -> set[Any]:
    """The hashes, and those of the files in the folders among them whose listing is here."""
    from dvc_data.hashfile.tree import Tree

    files = {
        item for folder in hashes if folder.isdir and _in_cache(repo, folder)
        for _, _, item in Tree.load(_cache(repo, folder), folder)
    }
    return hashes | files


def _cache(repo: Any, item: Any) -> Any:
    return repo.cache.legacy if item.name == _LEGACY else repo.cache.local


def _in_cache(repo: Any, item: Any) -> bool:
    return bool(_cache(repo, item).exists(item.value))


def _all_in_cache(repo: Any, hashes: set[Any]) -> bool:
    return all(_in_cache(repo, item) for item in hashes)


def _of_workspace(repo: Any) -> set[Any]:
    """Hashes of the outputs that dvc.lock and *.dvc files of the workspace name."""
    return {out.hash_info for out in repo.index.outs if out.use_cache and out.hash_info}


def _transfer(move: Any, hashes: set[Any], remote: str, jobs: int | None) -> int:
    """Number of files moved, folder listings not counted."""
    result = move(hashes, jobs=jobs, remote=remote) if hashes else None
    return sum(not item.isdir for item in result.transferred) if result else 0


def _fetch_entry(repo: Any, odb: Any, entry: _Entry) -> bool:
    """Fetch an entry, and put it into the run-cache if it is what its name says."""
    from dvc.stage.cache import _get_cache_hash
    from dvc.utils.serialize import YAMLFileCorruptedError, parse_yaml

    content = odb.fs.cat_file(entry.path)
    try:
        if _get_cache_hash(parse_yaml(content.decode(), entry.path)) != entry.value:
            return False
    except (YAMLFileCorruptedError, UnicodeDecodeError, AttributeError, TypeError):
        return False
    with leftovers.published(Path(repo.cache.legacy.path, *entry.parts)) as path:
        path.write_bytes(content)
    return True
