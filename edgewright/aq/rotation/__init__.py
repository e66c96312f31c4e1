"""Where a model commutes with a rotation, and putting one into its weights."""
