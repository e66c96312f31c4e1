"""The decision flow from a scheme that loses too much to one that does not."""
