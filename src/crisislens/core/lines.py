"""Lines of data and of messages.

`str.splitlines` also cuts at characters that stand inside of posts (U+2028, U+2029, U+0085,
vertical tab, form feed), so a JSON line that holds one falls apart. Data is cut at `\\n` and
nowhere else; a test greps for the other way.
"""

__all__ = ["cut_lines", "first_line"]


def cut_lines(text: str) -> list[str]:
    r"""The lines of a text, cut at `\n` alone; a `\r` before it belongs to the end of the line.

    Arguments:
        text: The text, as of a file.

    Returns:
        The lines without their ends; what stands behind the last end is a
        line only if it is not empty.

    >>> cut_lines('{"text": "a\u2028b"}\r\n\n{}\n')
    ['{"text": "a\u2028b"}', '', '{}']
    """
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def first_line(error: BaseException) -> str:
    """The first line of what an exception says, or its kind where it says nothing:
    for our own sentences.

    >>> first_line(ValueError("too long\\nat line 3"))
    'too long'
    >>> first_line(KeyboardInterrupt())
    'KeyboardInterrupt'
    """
    said = cut_lines(str(error).strip())
    return said[0] if said else type(error).__name__
