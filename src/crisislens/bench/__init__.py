"""Tables of runs: a grid of rows, settings and seeds, its results with their provenance, and what
can be concluded from them.
"""
