"""Under which names the answers to a question stand in the page's filters and in exports. A user's own
question may be called `language` or `place`, as a field of every post is: then `answer_` stands in front;
and in front of `answer_place` too, which would be the name of two questions otherwise.
"""

from collections.abc import Collection

__all__ = ["OF_PAGE", "field_of"]

_FILTERS = {
    "q", "place", "fresh", "confidence", "unsure", "photo", "language", "event", "from", "until", "sort",
    "copies", "photos", "box", "like", "picture", "post_id", "of_tone", "any_of", "lacking",
    "doubtful", "elsewhere",
}  # fmt: skip
_IN_ADDRESS = {"view", "theme", "page"}
_SENT = {"id", "created_at", "urgency", "lat", "lon", "text", "url"}
# a field of such a name hides the form's own property of that name from the page's scripts
_OF_FORM = {"elements", "addEventListener", "closest"}
# every object of a script has these: a filter of such a name would look set where it is not
_OF_OBJECTS = {
    "constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString",
    "valueOf", "__proto__", "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__",
}  # fmt: skip
OF_PAGE = frozenset(_FILTERS | _IN_ADDRESS | _SENT | _OF_FORM | _OF_OBJECTS)
"""What the page has a use of its own for: filters, parts of its address, columns of what it exports, and what
its scripts ask of a form and of an object.
"""


def field_of(question: str, taken: Collection[str] = OF_PAGE) -> str:
    """The name under which the answers to a question stand.

    >>> field_of("damage"), field_of("language")
    ('damage', 'answer_language')

    Arguments:
        question: The question.
        taken: Names that mean something else there.
    """
    # two questions, `event` and `answer_event`, must not come to one name
    return f"answer_{question}" if question in taken or question.startswith("answer_") else question
