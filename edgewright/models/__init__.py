"""Models: a Hugging Face id or folder, a factory with safetensors weights, or an exported program."""
