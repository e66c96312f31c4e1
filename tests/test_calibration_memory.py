from benchmarks import calibration_memory


def test_memory_does_not_grow_with_the_sample(tmp_path):
    # Fewer than 256 are fewer batches than run at the same time.
    calibration_memory.prepare(tmp_path, (256, 2304))
    few, many = (calibration_memory.measure(tmp_path, "histogram", count) for count in (256, 2304))
    # The images that are more are 24 MB.
    grown = (many["peak_bytes"] - many["base_bytes"]) - (few["peak_bytes"] - few["base_bytes"])
    assert grown < 8 << 20
