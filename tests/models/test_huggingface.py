"""What a Hugging Face folder says of its preprocessing is done, or refused."""

import json

import pytest

from edgewright.config import ModelEntry
from edgewright.errors import InputError
from edgewright.models.huggingface import preprocess
from edgewright.models.load import _preprocess

USUAL = {
    "do_resize": True, "resample": 2, "size": {"height": 64, "width": 48}, "do_rescale": True, "rescale_factor": 0.5,
    "do_normalize": True, "image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6],
}


def described(folder, **changes):
    (folder / "preprocessor_config.json").write_text(json.dumps(USUAL | changes))
    return preprocess(folder)


def test_what_is_described_is_taken(tmp_path):
    assert preprocess(tmp_path) is None
    wanted = {"resize": [64, 48], "scale": 0.5, "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}
    assert described(tmp_path) == wanted
    assert described(tmp_path, do_center_crop=False, crop_pct=None) == wanted


def test_no_resize(tmp_path):
    assert described(tmp_path, do_resize=False)["resize"] is None
    assert described(tmp_path, do_resize=False, resample=3)["resize"] is None


@pytest.mark.parametrize(("changes", "found"), [
    ({"do_center_crop": True}, "do_center_crop"), ({"resample": 3}, "resample 3"),
    ({"crop_pct": 0.875, "resample": 0}, "crop_pct, resample 0"), ({"do_flip_channel_order": True}, "do_flip"),
])
def test_what_cannot_be_done_is_refused(tmp_path, changes, found):
    with pytest.raises(InputError, match=rf"preprocessor_config\.json: {found}.*; give preprocess in params\.yaml$"):
        described(tmp_path, **changes)


def test_preprocess_of_params_comes_first(tmp_path):
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"do_center_crop": True}))
    entry = {"task": "image-classification", "source": "f", "calibration": "c", "holdout": "h"}
    given = ModelEntry.model_validate({**entry, "preprocess": {"resize": [8, 8]}})
    assert _preprocess(given, tmp_path)["resize"] == [8, 8]
    with pytest.raises(InputError):
        _preprocess(ModelEntry.model_validate(entry), tmp_path)
