"""Weight quantization against the reference packages, side by side: `python -m benchmarks.aq --help`.

A cell is a model, a grid of integers, a calibration seed and a method. Each runs in a process of its own (ours in the
project's environment, a package in one that the benchmark sets up), is timed there without imports and loading, and
writes the weights that it arrived at as float32; one function scores them all.
"""
