"""The type of the fixture `crisislens`: the command line, called with its arguments."""

import subprocess
from collections.abc import Callable

Command = Callable[..., subprocess.CompletedProcess[str]]
"""Arguments, and `cwd=` for the working folder; what comes back is what a process would have left."""
