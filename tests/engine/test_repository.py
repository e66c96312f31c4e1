import shutil
from pathlib import Path
from typing import Any

import pytest

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


def test_a_workspace_opens(tiny: Any) -> None:
    assert open_repository(tiny.root).root_dir == str(tiny.root)
