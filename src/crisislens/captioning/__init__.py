"""Captioning: a photo (and its tweet) in, a sentence out. Prompts as data, several backends, nothing is asked twice."""
