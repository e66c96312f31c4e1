"""One process a cell: `python -m benchmarks.aq.workers.<package> settings.json`.

They import nothing of Edgewright but in `ours`, since they run where only the package, torch and transformers are.
"""
