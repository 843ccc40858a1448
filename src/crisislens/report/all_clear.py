"""Whether a text says that there is no danger, or that it is over: "No tsunami warning issued".

A model that finds warnings by their words finds these too. The rule here changes no answer, since a warning
that is taken for an all-clear harms more than the reverse; it only says what may stand behind the others.

It is narrow on purpose. A denial must govern the word of danger: between the two stand at most three
words, all of a short list, and no mark that ends a clause. "No power, flood warning issued" denies the
power. A question denies nothing, and a text that speaks of a warning or of an evacuation in another clause
is no all-clear. English, Spanish, French, Italian and Portuguese; the lists are ours.
"""

import re
import unicodedata

__all__ = ["may_deny_danger"]

_HAZARD = (
    r"(?:tsunamis?|maremotos?|(?:flash )?floods?|flooding|inundacion(?:es)?|inondations?|inondazion[ei]|"
    r"alluvion[ei]|inundac(?:ao|oes)|storm surges?|evacuation|evacuacion)"
)
_WARNING = (
    r"(?:warnings?|alerts?|advisory|advisories|watch(?:es)?|alertas?|avisos?|alertes?|allert[ae]|allarm[ei])"
)
_DANGER = r"(?:dangers?|threats?|peligro|perigo|pericol[oi]|amenaza|menace|riesgo|risco|rischio|risque)"
_GRAVE = rf"(?:{_WARNING}|{_DANGER})"

# what may stand between a denial and what is denied
_BETWEEN = (
    r"(?: (?:an?|any|under|in|immediate|imminent|current|currently|active|official|further|more|longer|new|"
    r"major|coastal|pacific|the)){0,3}"
)
_OF = r"(?: (?:de|d|of|di|por|ante|du|au|aux|al|para))?"
# "no flood warning system" and "no warning was given" complain that nobody warned
_NO_COMPLAINT = (
    r"(?! (?:systems?|sirens?|signs?|services?|cent(?:er|re)s?|drills?|tests?|times?|given|before\w*|until|"
    r"came|come|received|(?:was|were) (?:given|received|sent|heard))\b)"
)
_BE = r"(?: (?:has|have|had|been|was|were|is|are|now|already|all)){0,3}"
_SER = r"(?: (?:ha|han|sido|fue|fueron|esta|queda|quedo|a|ete|est|e|stata|stato|foi|foram)){0,2}"

_DENIALS = (
    # English
    rf"\b(?:no|not|no longer){_BETWEEN} {_HAZARD}(?: (?:or|and) {_HAZARD})? (?:{_GRAVE}|risk)"
    rf"{_NO_COMPLAINT}\b",
    rf"\b(?:no|not in|in no|no longer){_BETWEEN} (?:danger|(?:danger|threat|risk) of (?:an? )?{_HAZARD})\b",
    rf"\b(?:no|not)(?: an?| any)? {_WARNING} (?:issued|in (?:effect|force|place))\b",
    rf"\bno{_BETWEEN} {_HAZARD} (?:expected|reported|anymore)\b",
    rf"\b{_WARNING}(?: is| are) (?:no longer|not) in (?:effect|force|place)\b",
    rf"\b{_WARNING}{_BE} (?:lifted|cancel(?:l?ed)|called off|withdrawn|expired)\b",
    rf"\b(?:lifts|cancels|(?:lifted|cancell?ed) the)(?: the| its| all| any)? (?:{_HAZARD} )?{_WARNING}\b",
    rf"\b(?:{_HAZARD}|(?:flood ?)?waters?)(?: in(?: \w+){{1,2}})?{_BE} subsided\b",
    # Spanish and Portuguese
    r"\b(?:no hay|no existe|nao ha|nao existe|no se espera|no se emitio|no se ha emitido)"
    rf"(?: (?:una?|ningun|ninguna?|mas|mais|um|uma|nenhum|nenhuma|actualmente)){{0,2}}"
    rf" (?:{_GRAVE}|{_HAZARD})\b",
    rf"\b(?:sin|sem) {_GRAVE}(?: de| por| ante) {_HAZARD}\b",
    rf"(?<!no )(?<!se )(?<!nao )\b(?:descart\w+)"
    rf"(?: (?:el|la|las|los|una?|o|a|um|uma|que|haya|posible|posibilidad|possibilidade|de|nuevo)){{0,3}}"
    rf" (?:{_GRAVE}|{_HAZARD})\b",
    rf"(?<!no )(?<!nao )\bse descart\w+(?: (?:el|la|una?))? (?:{_GRAVE}|{_HAZARD})\b",
    rf"\b(?:cancelan?|levantan?|desactivan?|suspendem?)(?: (?:el|la|las|los|o|a))? {_WARNING}\b",
    # French and Italian
    rf"\b(?:pas|n y a plus) (?:de|d) (?:{_GRAVE}|{_HAZARD})\b",
    rf"\b(?:aucune?|nessuna?|nessun) (?:{_GRAVE})\b",
    rf"\bnon (?:c e|ci sono)(?: (?:alcuna?|alcun|nessuna?|nessun|piu|una?)){{0,2}} (?:{_GRAVE}|{_HAZARD})\b",
    rf"\b(?:cessat[oa]|fine|fin de l) {_WARNING}\b",
    # a warning and its end, in all four
    rf"\b{_WARNING}(?:{_OF} {_HAZARD})?{_SER} (?:cancelad[oa]s?|levantad[oa]s?|desactivad[oa]s?|levee?s?|"
    rf"annulee?s?|revocat[ao]|annullat[ao]|cessat[ao]|rientrat[ao])\b",
)
_DENIED = re.compile("|".join(f"(?:{pattern})" for pattern in _DENIALS))
# what is only wished for, waited for or denied is not over
_NOT_YET = re.compile(r"\b(?:until|unless|if|when|once|before|not|never|hasn|haven|hasta|si|cuando|quando)\b")
_OVER = re.compile(r"\b(?:subsided|lifted|cancell?ed|called off|withdrawn|expired)$")
_STILL = re.compile(rf"\b(?:{_WARNING}|evacu\w+)\b")
_CLAUSE_ENDS = re.compile(r"([.,;:!?\n…|—–]+|\s-+\s|\bbut\b|\bpero\b|\bmais\b(?=.*\bpas\b))", re.IGNORECASE)
_LINK = re.compile(r"https?://\S+|[@]\w+")


def may_deny_danger(text: str) -> bool:
    """Whether a text may say that there is no danger or that it ended.

    >>> may_deny_danger("No tsunami warning issued"), may_deny_danger("No power, flood warning issued")
    (True, False)
    """
    denied = still = False
    for clause, end in _clauses(text):
        found = _DENIED.search(clause)
        if found is None:
            still = still or _STILL.search(clause) is not None
        elif "?" in end or (_OVER.search(found.group()) and _NOT_YET.search(clause[: found.end()])):
            still = True
        else:
            denied = True
    return denied and not still


def _clauses(text: str) -> list[tuple[str, str]]:
    """The clauses as plain small words with one space between, each with the mark that ends it."""
    parts = _CLAUSE_ENDS.split(_LINK.sub(" ", text))
    marks = [*parts[1::2], ""]
    return [(_plain(clause), mark) for clause, mark in zip(parts[::2], marks, strict=True)]


def _plain(clause: str) -> str:
    apart = unicodedata.normalize("NFKD", clause.casefold())
    letters = "".join(c for c in apart if not unicodedata.combining(c))
    return " ".join(re.findall(r"[^\W_]+", letters))
