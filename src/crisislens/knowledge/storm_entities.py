"""What an extractor of entities takes for people and places, and is a storm or an agency.

Extractors that learned from everyday posts read "Harvey was worse than Irma" as two people, and
FEMA or Oxfam as one now and then. Three small rules set that right; nothing else is touched:

- a single name behind "Hurricane" or its like anywhere in the text is that storm,
  also with that word;
- a name of the weather services' lists that is no usual given name is one
  where the text speaks of a storm;
- an agency of a short list is an organization.

A storm is of the type MISC, an agency ORG; where an extractor has no such type, its own stays.
"""

from collections.abc import Sequence

from crisislens.knowledge.name_keys import name_key
from crisislens.knowledge.storms import named_storms, storm_names
from crisislens.knowledge.tokens import split_words
from crisislens.knowledge.word_lists import agencies, cue_words, word_list

__all__ = ["NameRules"]

_PEOPLE_AND_PLACES = ("PER", "PERSON", "LOC", "LOCATION")


class NameRules:
    """The rules for the names of one text.

    >>> rules = NameRules("Hurricane Harvey: Harvey is gone, FEMA is there", ("PER", "LOC", "ORG", "MISC"))
    >>> rules.type_of("PER", "Harvey"), rules.type_of("PER", "FEMA"), rules.type_of("PER", "Harvey Milk")
    ('MISC', 'ORG', 'PER')

    Arguments:
        text: The text.
        types: The types of entities that the extractor has.
    """

    def __init__(self, text: str, types: Sequence[str]) -> None:
        words = split_words(text, lambda name: False)
        named = named_storms(words)
        # a Harvey who is not called a hurricane himself may be a person
        self._storms = named | (storm_names(words) - word_list("given"))
        self._types = {kind.upper(): kind for kind in types}

    def type_of(self, kind: str, name: str) -> str:
        """The type of an entity.

        Arguments:
            kind: What the extractor says.
            name: The entity as it stands in the text.
        """
        if kind.upper() not in _PEOPLE_AND_PLACES:
            return kind
        words = [word.text for word in split_words(name, lambda piece: False)]
        if name_key(" ".join(words)) in agencies():
            return self._types.get("ORG", kind)
        called_one = len(words) > 1 and words[0].lower() in cue_words("storms")
        rest = words[1:] if called_one else words
        if len(rest) == 1 and (called_one or name_key(rest[0]) in self._storms):
            return self._types.get("MISC", kind)
        return kind
