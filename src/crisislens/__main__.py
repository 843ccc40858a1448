"""`python -m crisislens`.

Python then puts the working folder first among the places that modules come from. A folder `redis/` or a file
`numpy.py` beside somebody's posts would be loaded in place of the library, and run. So the working folder is
taken out before anything else is imported, here and in the processes that are started from here. (What
Python itself loads before it reads this file cannot be helped from here; the command `crisislens` never looks
there.)
"""

import os
import sys


def _leave_out_the_working_folder() -> None:
    """Changes nothing where the package itself stands in the working folder, as in a checkout's `src`."""
    here = os.path.realpath(os.curdir)
    own = os.path.realpath(os.path.join(os.path.dirname(__file__), os.pardir))  # noqa: PTH118, PTH120
    if here == own:
        return
    # also where an empty entry of PYTHONPATH brought it in
    sys.path[:] = [place for place in sys.path if os.path.realpath(place or os.curdir) != here]
    os.environ.setdefault("PYTHONSAFEPATH", "1")


if __name__ == "__main__":
    _leave_out_the_working_folder()

    from crisislens.cli.main import main

    main()
