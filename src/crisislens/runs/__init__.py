"""One engine for every command that takes posts: a step maps them to records and knows no file, a
ledger knows what is done, a sink eats records in one pass and knows no model, an executor says
where chunks are worked on.
"""
