"""Posts in, assessments out: the one inference path of the product, for one post and for a hundred
thousand.
"""
