"""Operators that return their input."""
