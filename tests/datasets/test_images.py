import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from edgewright.datasets import images
from edgewright.errors import ConfigError

_PIXELS = np.random.default_rng(0).integers(0, 256, (5, 6, 3), dtype=np.uint8)


def _encoded(pixels, kind="PNG", mode=None):
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(buffer, kind)
    return buffer.getvalue()


def test_scale_mean_std_per_channel(tmp_path):
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    decoded = images.decode(
        pa.array([_encoded(_PIXELS)]), (3, 5, 6), {"scale": 1 / 255, "mean": mean, "std": std}, tmp_path)
    expected = ((_PIXELS / 255.0 - np.array(mean)) / np.array(std)).transpose(2, 0, 1)
    assert decoded.values.dtype == np.float32
    np.testing.assert_allclose(decoded.values[0], expected, rtol=3e-7, atol=1e-7)


def test_raw_values_are_exact(tmp_path):
    decoded = images.decode(pa.array([_encoded(_PIXELS)]), (3, 5, 6), {}, tmp_path)
    np.testing.assert_array_equal(decoded.values[0], _PIXELS.transpose(2, 0, 1).astype(np.float32))


def test_bytes_struct_and_path_are_the_same(tmp_path):
    raw = _encoded(_PIXELS)
    (tmp_path / "a.png").write_bytes(raw)
    struct = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    forms = [
        pa.array([raw]), pa.array(["a.png"]), pa.array([{"bytes": raw, "path": None}], struct),
        pa.array([{"bytes": None, "path": str(tmp_path / "a.png")}], struct),
    ]
    found = [images.decode(form, (3, 5, 6), {}, tmp_path) for form in forms]
    assert len({item.values.tobytes() for item in found}) == 1
    assert len({tuple(item.digests) for item in found}) == 1


def test_digest_is_of_the_pixels_not_of_the_file(tmp_path):
    column = pa.array([_encoded(_PIXELS), _encoded(_PIXELS, "BMP"), _encoded(255 - _PIXELS)])
    digests = images.decode(column, (3, 5, 6), {}, tmp_path).digests
    assert digests[0] == digests[1] != digests[2]


def test_resize_is_height_width_and_bilinear(tmp_path):
    decoded = images.decode(pa.array([_encoded(_PIXELS)]), (3, 4, 8), {"resize": [4, 8]}, tmp_path)
    expected = np.asarray(Image.fromarray(_PIXELS).resize((8, 4), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    np.testing.assert_array_equal(decoded.values[0], expected)


def test_one_channel_is_grey(tmp_path):
    decoded = images.decode(pa.array([_encoded(_PIXELS)]), (1, 5, 6), {}, tmp_path)
    np.testing.assert_array_equal(decoded.values[0, 0], np.asarray(Image.fromarray(_PIXELS).convert("L")))


def test_palette_and_alpha_become_rgb(tmp_path):
    column = pa.array([_encoded(_PIXELS, mode="RGBA"), _encoded(_PIXELS, mode="P")])
    decoded = images.decode(column, (3, 5, 6), {}, tmp_path)
    np.testing.assert_array_equal(decoded.values[0], _PIXELS.transpose(2, 0, 1))
    assert decoded.shapes == ["3 x 5 x 6"] * 2


def test_bad_rows_are_marked(tmp_path):
    column = pa.array([_encoded(_PIXELS), None, b"no image", _encoded(_PIXELS[:4])])
    decoded = images.decode(column, (3, 5, 6), {}, tmp_path)
    assert decoded.shapes == ["3 x 5 x 6", None, "unreadable", "3 x 4 x 6"]
    assert decoded.digests[1] is None
    assert np.isnan(decoded.values[1:]).all()
    observed = decoded.observations()
    assert observed["not_finite"][0] == 0
    assert np.isnan(observed["not_finite"][1:]).all()


@pytest.mark.parametrize(("shape", "preprocess", "key"), [
    ((640,), {}, r"\[3, H, W\]"),
    ((3, 5, 6), {"mean": [0.0, 1.0]}, r"preprocess\.mean: 2 values"),
    ((3, 5, 6), {"std": [0.0]}, r"preprocess\.std"),
])
def test_preprocessing_that_does_not_fit(tmp_path, shape, preprocess, key):
    with pytest.raises(ConfigError, match=key):
        images.decode(pa.array([_encoded(_PIXELS)]), shape, preprocess, tmp_path)
