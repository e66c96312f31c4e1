"""Pooling in the form that the target runs best."""
