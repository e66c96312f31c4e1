"""Rotations that a model's weights can take: Hadamard matrices, and where a model commutes with them."""
