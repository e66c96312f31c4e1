"""Expansions that broadcasting makes needless."""
