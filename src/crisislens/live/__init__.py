"""The situation as it moves: what rises against its own past, what is said of it, and what it is called."""
