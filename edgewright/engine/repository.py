"""DVC's repository of a workspace, opened so that many processes can take turns at it."""

import time
from pathlib import Path
from typing import Any

from edgewright.errors import ConfigError

_POLL_SECONDS = 0.02


def open_repository(root: Path) -> Any:
    """A `dvc.repo.Repo` whose lock waits, asking fifty times a second instead of twice.

    Every stage takes the lock twice, so at DVC's own pace most of a short stage's time is waiting.

    Raises:
        ConfigError: the folder is no DVC repository, or not in a git repository.
    """
    from dvc.exceptions import NotDvcRepoError
    from dvc.lock import Lock, LockError
    from dvc.repo import Repo
    from dvc.scm import SCMError

    class PatientLock(Lock):
        def lock(self) -> None:
            while not self.is_locked:
                try:
                    self._do_lock()
                except LockError:
                    time.sleep(_POLL_SECONDS)

    try:
        repo: Any = Repo(str(root), _wait_for_lock=True)
        _ = repo.scm
    except (NotDvcRepoError, SCMError) as error:
        need = "a workspace is a DVC repository inside a git repository; `edgewright init` makes one"
        raise ConfigError(f"{root}: {error}; {need}") from error
    if type(repo.lock) is Lock:
        repo.lock = PatientLock(repo.lock.lockfile)
    return repo
