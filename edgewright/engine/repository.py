"""DVC's repository of a workspace, opened so that many processes can take turns at it."""

import time
from pathlib import Path
from typing import Any

_POLL_SECONDS = 0.02


def open_repository(root: Path) -> Any:
    """A `dvc.repo.Repo` whose lock waits, asking fifty times a second instead of twice.

    Every stage takes the lock twice, so at DVC's own pace most of a short stage's time is waiting.
    """
    from dvc.lock import Lock, LockError
    from dvc.repo import Repo

    class PatientLock(Lock):
        def lock(self) -> None:
            while not self.is_locked:
                try:
                    self._do_lock()
                except LockError:
                    time.sleep(_POLL_SECONDS)

    repo: Any = Repo(str(root), _wait_for_lock=True)
    if type(repo.lock) is Lock:
        repo.lock = PatientLock(repo.lock.lockfile)
    return repo
