"""What is known beyond the post: places that its text names. Offline."""
