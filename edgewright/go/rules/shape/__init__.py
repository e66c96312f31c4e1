"""Reshape and permute algebra."""
