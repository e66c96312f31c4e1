"""Attention recognized and decomposed."""
