import subprocess
import sys

import pytest

from edgewright.aq.algorithms import Algorithms, split
from edgewright.errors import ConfigError


@pytest.mark.parametrize(
    ("names", "expected"),
    [((), ((), "rtn")), (("rtn",), ((), "rtn")), (("awq",), (("awq",), "rtn")), (("awq", "rtn"), (("awq",), "rtn"))],
)
def test_transforms_come_before_one_rounder(names, expected):
    assert split(names) == expected


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("awp",), r"unknown algorithm 'awp' \(did you mean 'awq'\?\)"),
        (("rtn", "awq"), "the rounder 'rtn' must come last; 'awq' follows it"),
        (("awq", "awq"), "'awq' stands twice"),
    ],
)
def test_wrong_lists_are_refused(names, message):
    with pytest.raises(ConfigError, match=message):
        split(names)


def test_options_are_checked():
    with pytest.raises(ConfigError, match=r"options\.awq\.step: .*did you mean 'steps'"):
        Algorithms({"awq": {"step": 3}}).transform("awq")
    with pytest.raises(ConfigError, match=r"options\.awq\.steps"):
        Algorithms({"awq": {"steps": 0}}).transform("awq")
    algorithms = Algorithms({"awq": {"steps": 3}})
    algorithms.rounder("rtn")
    with pytest.raises(ConfigError, match=r"options\.awq: the recipe does not use it"):
        algorithms.check_used()


def test_names_are_checked_without_torch():
    code = "import sys; from edgewright.aq.algorithms import split; split(['awq']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
