"""DVC's repository of a workspace, opened so that many processes can take turns at it."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgewright.errors import ConfigError, first_line

WAITING = "waiting for another edgewright or dvc command that works in this workspace"
_POLL_SECONDS = 0.02
_PATIENCE_SECONDS = 3.0


def open_repository(
    root: Path, *, log_level: int = logging.ERROR, on_wait: Callable[[str], None] = lambda notice: None
) -> Any:
    """A `dvc.repo.Repo` whose lock waits, asking fifty times a second instead of twice.

    Every stage takes the lock twice, so at DVC's own pace most of a short stage's time is waiting.

    Args:
        root: the workspace.
        log_level: what DVC may print.
        on_wait: called with `WAITING` whenever the lock is not to be had for three seconds.

    Raises:
        ConfigError: the folder is no DVC repository, or not in a git repository.
    """
    from dvc.exceptions import NotDvcRepoError
    from dvc.lock import Lock, LockError
    from dvc.repo import Repo
    from dvc.scm import SCMError

    class PatientLock(Lock):
        def lock(self) -> None:
            told = time.monotonic() + _PATIENCE_SECONDS
            while not self.is_locked:
                try:
                    self._do_lock()
                except LockError:
                    time.sleep(_POLL_SECONDS)
                    if time.monotonic() > told:
                        on_wait(WAITING)
                        told = float("inf")

    # Importing DVC has set its own.
    for name in ("dvc", "dvc_data"):
        logging.getLogger(name).setLevel(log_level)
    need = "a workspace is a DVC repository inside a git repository; `edgewright init` makes one"
    try:
        repo: Any = Repo(str(root), _wait_for_lock=True)
        _ = repo.scm
    except NotDvcRepoError as error:
        raise ConfigError(f"{root}: no .dvc folder; {need}") from error
    except SCMError as error:
        raise ConfigError(f"{root}: {first_line(error)}; {need}") from error
    if type(repo.lock) is Lock:
        repo.lock = PatientLock(repo.lock.lockfile)
    return repo
