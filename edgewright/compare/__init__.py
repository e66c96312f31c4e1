"""Two artifacts of a chain, operator by operator: how far they are apart, and which operator makes the difference.

`compare.compare` compares what `artifact.load` opens. Nothing is imported here: gq takes the sums of `sums` alone, and
what a stage can reach decides when it runs again.
"""
