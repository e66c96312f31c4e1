"""Activations recognized from their spelling, and decomposed."""
