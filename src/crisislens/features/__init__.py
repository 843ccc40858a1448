"""Features: the bridge between posts and mathematics. One path from posts to tensors, and a cache
of what it made.
"""
