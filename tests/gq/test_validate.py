import subprocess
import sys

import pytest

from edgewright import targets
from edgewright.errors import ConfigError
from edgewright.gq import validate
from tests.gq.nets import W4_DYNAMIC, scheme


def test_a_scheme_that_the_target_lacks_is_refused():
    with pytest.raises(ConfigError, match=r"gq.w4: target ethos-u85-256 cannot run linear .*nearest: w4a8"):
        validate.check(targets.load("ethos-u85-256"), scheme(W4_DYNAMIC), "gq.w4")


def test_an_unknown_calibration_method_is_refused():
    wrong = {"weights": {"bits": 8}, "activations": {"calibration": {"method": "minmx"}}}
    with pytest.raises(ConfigError, match="minmax"):
        validate.check(targets.load("xnnpack"), scheme(wrong), "gq.mine")


def test_it_does_not_import_torch():
    code = (
        "import sys; from edgewright import targets; from edgewright.config import GqScheme;"
        "from edgewright.gq import validate;"
        "validate.check(targets.load('xnnpack'), GqScheme.model_validate({'weights': {}, 'activations': {}}), 'gq.x');"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
