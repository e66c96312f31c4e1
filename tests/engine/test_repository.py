import logging
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from edgewright.engine import repository
from edgewright.engine.repository import open_repository
from edgewright.errors import ConfigError


@pytest.mark.parametrize("missing", [".git", ".dvc"])
def test_a_folder_without_git_or_dvc_is_one_line(tiny: Any, tmp_path: Path, missing: str) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(tiny.root, folder)
    shutil.rmtree(folder / missing)
    with pytest.raises(ConfigError, match="`edgewright init` makes one") as caught:
        open_repository(folder)
    assert "\n" not in str(caught.value)


def test_who_waits_for_the_lock_is_told_once(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "_PATIENCE_SECONDS", 0.1)
    told: list[str] = []
    other, waiting = open_repository(tiny.root), open_repository(tiny.root, on_wait=told.append)
    other.lock.lock()
    timer = threading.Timer(0.5, other.lock.unlock)
    timer.start()
    with waiting.lock:
        assert told == [repository.WAITING]
    timer.join()


@pytest.mark.parametrize("level", [logging.ERROR, logging.INFO])
def test_dvc_prints_what_it_is_told_to(tiny: Any, level: int) -> None:
    open_repository(tiny.root, log_level=level)
    assert logging.getLogger("dvc").level == logging.getLogger("dvc_data").level == level


def test_a_workspace_opens(tiny: Any) -> None:
    assert open_repository(tiny.root).root_dir == str(tiny.root)
