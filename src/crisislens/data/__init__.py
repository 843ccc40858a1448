"""Posts from somewhere, and what can be told of them before any model: tables, data sets, clean
text, safe pictures, duplicates, leaks.

No torch here. What comes from outside (rows, paths, bytes) is taken for hostile: it ends in a post,
a `FailedPost` or an `ImageError` with a sentence, and never costs another post.
"""
