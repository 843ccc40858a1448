"""Training of extractors: entities and relations, with text, context and image aligned by Shapley
values or not.
"""
