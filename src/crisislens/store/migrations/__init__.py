"""How the tables came to be, step by step; Alembic runs the steps that a store lacks."""
