"""Assessing what waits in the store: worker processes that hold no connection, fed over pipes."""
