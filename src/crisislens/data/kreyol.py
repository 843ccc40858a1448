"""Whether a text is Haitian Creole.

The detector of languages hardly knows it: of messages from Haiti, most of them in Kreyòl, it calls 3 % so and
can tell nothing of three quarters. So words are counted that Kreyòl uses all the time and that no other
language of the models has; its spelling is its own, also where the word is French ("dlo", "bezwen", "nou").

The words were chosen by us, among those that are frequent in the training messages and next to never in
texts of other languages, and without accents, since telephones leave them out; no list was copied. How much
is found, and what else is taken for Kreyòl: `python benchmarks/kreyol.py DATA`, docs/benchmarks-need.md.
"""

import re
import unicodedata
from typing import Final

__all__ = ["is_kreyol"]

_WORDS: Final = """
    mwen nou bezwen tanpri souple dlo manje moun timoun pitit lakay grangou lopital anpil
    pwoblem mesi mezanmi bondye eske kijan kote konbyen kounye kounyea jwenn jwen jouin banm
    banmwen relem ede edem konnen kapab gade voye mouri blese anba dekonb tranbleman tanbleman
    lapli kraze prela pwela chak kisa poukisa jodia bonswa bonjou vwazen fanmi zanmi sitiye
    bloke malad medikaman medikamen lajan travay lekol legliz peyi ayiti konsa toujou avek
    oubyen oswa yonn bagay anyen pesonn okenn fek pral chache nanpwen paske
    renmen remen enfomasyon infomasyon genyen koman kouman poum poun pounou pouw pagen poko anko
    konn konen konprann potoprens leyogan silvouple silvoupl tampri sekou sekous janvye otorite nimewo
    nimero ayisyen gouvenman ekri komanse fok kikote paka paskem pwovens etidyan beswen bezyen ditou
    kontinye distribisyon oganizasyon konsne nouriti katastwof pwogram popilasyon kesyon ampil mounn
    moune ijans maladi madanm plizye plizy fonksyone edikasyon prekosyon ladan gentan difikilte kile
    sitiyasyon nesesite fanmim fanmiy manmanm kominote pwovizwa reponn etazini entenasyonal dayiti bwe
    mesye lafen imigrasyon disponib rekonstriksyon biwo inivsite resevwa mwayen touye swen swaf salye
    patisipe selman depatman tounen jodi wout gwo fwa oken enpotan achte leta asosiyasyon
"""
# of other languages too ("Tampa Bay flood map"): they count where other words have told the language
_COMMON: Final = """
    yo li m ou nan ak pou ki sa se te ap pa gen ka fe a an la si sou yon tout lot apre deja nap
    map lap yap bay kite rive tant kay siklon gen yon fe pase viv zon jou depi mesaj repons viktim vin
    vini byen mete tann vre pran plis menm kek sak domi lari adres radyo rad dife kil kom zonn moman
"""
_OWN: Final = frozenset(_WORDS.split())
_SHARED: Final = frozenset(_COMMON.split())
_WORD: Final = re.compile(r"(?<![\w@#/.:-])[^\W\d_]+(?![\w@/]|\.\w)")
_MOST_LETTERS: Final = 1_000
_FEWEST, _LEAST_SHARE = 2, 0.3


def is_kreyol(text: str) -> bool:
    """Whether the words of a text are those of Haitian Creole.

    >>> is_kreyol("Tanpri nou bezwen dlo ak manje nan Delma 33"), is_kreyol("Nous avons besoin d'eau")
    (True, False)

    Arguments:
        text: The cleaned text.
    """
    words = [_plain(found[0]) for found in _WORD.finditer(text[:_MOST_LETTERS])]
    sure = sum(word in _OWN for word in words)
    every = sure + sum(word in _SHARED for word in words)
    return sure >= _FEWEST and every >= _LEAST_SHARE * len(words)


def _plain(word: str) -> str:
    """Small letters without accents: telephones leave them out."""
    apart = unicodedata.normalize("NFD", word.lower())
    return "".join(c for c in apart if not unicodedata.combining(c))
