"""Why: rationales of posts, what is left of a post without them, attribution to a model's inputs,
and what each modality contributed.
"""
