"""People's side of rationales: a local page on which evidence is marked, and blind comparisons of
two methods.
"""
