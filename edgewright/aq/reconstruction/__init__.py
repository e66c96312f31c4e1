"""Reconstruction of a block's output by training how its weights are rounded."""
