"""Linear layers, padding and slices as convolutions."""
