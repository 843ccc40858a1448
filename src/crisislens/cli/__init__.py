"""The command line: thin commands that parse, call and print. Heavy imports happen inside the
commands, so that `--help` is instant.
"""
