"""Whether a text is Hindi, Urdu, Bengali, Nepali or Arabic written in Latin letters, as people type on
telephones without their own keyboard.

What tells languages apart was trained on their own scripts and takes such texts for English, French
or Italian, sometimes surely: "Amra bonnay atke achi" (Bengali, "we are stuck in the flood") for
English with 0.81. So words are counted that these languages use all the time and that no language of
the models has. Chat Arabic is known by its digits, which stand for letters ("m7tagin mosa3da").

The words were chosen by us; no list was copied. A text without two of them is not found, nor one in
another language. Of 321,636 different texts and cells of the crisis data sets beside this checkout
59 were found, and nearly all are Hindi or Urdu as read by one reader (a language model).
"""

import re
from typing import Final

__all__ = ["romanized"]

# words that a language of the models has too ("hai" is Italian) count beside others only
_WORDS: Final = {
    "Hindi or Urdu": """
        hain nahi nahin mein mujhe hamein humein humare hamare hamari humari kripya madad chahiye
        gaya gayi gaye raha rahe rahi phanse phasey bachao bachaiye paani pani khana khaana ghar
        aur bhi yahan yahaan wahan kahan koi kuch abhi jaldi bahut bohot zaroorat selab sailab
        barish baarish bachche bachay bachon logon logo bheje bhejo bhej karo karen karein kijiye
        neeche upar andar bahar gaon sadak dawai bijli naav kashti imarat malbay dabe khuda liye hua
        hue hui toot gir tha thi apni apna mera meri mere hamara hum haal bhai behen
    """,
    "Bengali": """
        amra amader amar apnara apnader achi achhi ache achhe lagbe lagche korun koren korchi korte
        hobe hoyeche geche gechhe nei ekhane okhane taratari sahajjo shahajjo uddhar bonna bonnay
        bonnar pani panir nouka atke atka porechi khabar bachan bachao bari barite nodir bandh
        bachchara shishu rasta bhenge bhenge dube jachche jacche moddhe opor upor chader
    """,
    "Nepali": """
        hamilai hamro malai garnus garnuhos gardinus chaiyo chahiyo chahincha chha cha bhayo bhayeko
        bhatkiyo bhatkyo bhatkeko manche manchhe purieko puriyeko pahiro bhukampa badhi badhile
        khana khanepani uddhar sahayog tripal bato banda ghar gaunma gaun haru harulai lagi pugena
        chhaina chaina kripaya baadhi
    """,
    "Arabic": """
        mafi mafeesh mafish ma3andna fi3a 3ala 3andna 3and wallah inshallah insha2allah nahnu n7na
        e7na ehna lazim lazem akl mayy moya mayya beit bayt ankad ankaad taht ta7t nas musa3ada
        mosa3da musaada mahasirun atfal madrasa jari7 jar7a zilzal zelzal fayadan faydan saidna
        sa3duna se3dona el2anqad moharasin
    """,
}
_OWN: Final = {language: frozenset(words.split()) for language, words in _WORDS.items()}
# of other languages too, or names: they count where another word has told the language
_SHARED: Final = {
    "Hindi or Urdu": "hai ki ko ka ke se me main log par do hun hum ho kya na jo bhi sab",
    "Bengali": "e te ta ki na school din dui amra ekta",
    "Nepali": "le ko ra ma ho yo tyo na ki",
    "Arabic": "el al fi wa w b min ya da ma la lil",
}
_WITH_OTHERS: Final = {language: frozenset(words.split()) for language, words in _SHARED.items()}
# a digit between letters, or before them, where a letter of Arabic stands: 3 ain, 7 hah, 2 hamza
_DIGIT_WORD = re.compile(r"[a-z']*[a-z][23579][a-z][a-z23579']*|[37][a-z]{3,}[a-z23579']*")
_WORD = re.compile(r"(?<![\w@#/.:-])[A-Za-z0-9']+(?![\w@/]|\.\w)")
_MOST_LETTERS: Final = 1_000
_FEWEST: Final = 2
_LEAST_SHARE: Final = 0.3


def romanized(text: str) -> str | None:
    """The language that a text in Latin letters is in, of those that are written in others; None where
    it is none of them.

    >>> romanized("Amra bonnay atke achi, nouka lagbe"), romanized("Two people on the roof")
    ('Bengali', None)

    Arguments:
        text: The cleaned text.
    """
    words = [found[0].lower() for found in _WORD.finditer(text[:_MOST_LETTERS])]
    spoken = [word for word in words if not word.isdigit()]
    counts: dict[str, int] = {}
    for language, own in _OWN.items():
        digits = language == "Arabic"
        sure = sum(word in own or (digits and _DIGIT_WORD.fullmatch(word) is not None) for word in spoken)
        count = sure + sum(word in _WITH_OTHERS[language] for word in spoken)
        if sure >= _FEWEST and count >= _LEAST_SHARE * len(spoken):
            counts[language] = count
    return max(counts, key=lambda language: counts[language]) if counts else None
