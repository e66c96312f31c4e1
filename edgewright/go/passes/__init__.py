"""Whole-graph passes around the rules; all of them are exact."""
