from benchmarks import calibration_memory


def test_memory_does_not_grow_with_the_sample(tmp_path):
    calibration_memory.prepare(tmp_path, (64, 2048))
    few, many = (calibration_memory.measure(tmp_path, "histogram", count) for count in (64, 2048))
    # The images that are more are 24 MB.
    grown = (many["peak_bytes"] - many["base_bytes"]) - (few["peak_bytes"] - few["base_bytes"])
    assert grown < 8 << 20
