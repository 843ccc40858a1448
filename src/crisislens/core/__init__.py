"""Ground floor: errors, registry, configuration, fingerprints, optional packages, atomic files.
Knows nothing of posts or tensors.
"""
