"""Alerts: what rules see in the posts, and the ways by which that leaves the service."""
