"""The stages of the pipeline: each reads its inputs, calls the library and leaves its outputs in one folder."""
