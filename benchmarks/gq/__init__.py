"""Graph quantization against the reference toolchains."""
