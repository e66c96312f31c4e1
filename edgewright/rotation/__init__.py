"""Orthogonal matrices for every width: Hadamard matrices, and their products. No model is known here."""
