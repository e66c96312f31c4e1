"""Batch, layer and root-mean-square normalization: folded, recognized, decomposed."""
