"""What people open: pages made by the server, Jinja2 and htmx, no build step, nothing inline."""
