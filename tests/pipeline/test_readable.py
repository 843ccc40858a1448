"""What no model reads is said so: by the post's own word, by detection, by the words; long texts are read in
windows.
"""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crisislens.data.language import detect_language
from crisislens.data.language_tags import primary_language
from crisislens.demo import write_synthetic_crisis
from crisislens.domain.post import ImageRef, Post
from crisislens.encoders.base import EncoderSpec, load_encoders
from crisislens.pipeline.analyst import Analyst
from crisislens.pipeline.readable import Readable, language_of, whole_words
from crisislens.pipeline.windows import MOST_WINDOWS, windows_of
from tiny_bundles import write_bundle


@pytest.fixture(scope="module")
def english() -> Analyst:
    """The shipped analyst, which knows English alone."""
    return Analyst.load("crisis-compact")


@pytest.mark.parametrize(
    "text",
    [
        "Puente caido, 2 heridos",
        "Tafadhali msaada, nyumba imefurika maji",
        "Amra bonnay atke achi, nouka lagbe",
        "እርዳታ እንፈልጋለን",
        "救命，我们被困在屋顶",
        "Tanpri ede nou, kay la kraze",
        "Help nou tanpri, dlo a monte",
    ],
)
@pytest.mark.parametrize("photo", [None, ImageRef(path="missing.jpg")])
def test_no_sure_answer_on_a_text_that_the_model_cannot_read(
    english: Analyst, text: str, photo: ImageRef | None
) -> None:
    [found] = english.assess([Post(id="1", text=text, image=photo)])
    assert found.unread is not None
    assert all(task.abstained for task in found.tasks.values())
    assert found.urgency == english.bundle.config.unread_urgency


def test_a_photo_beside_an_unread_text_makes_nothing_sure(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle", languages=("en",))
    write_synthetic_crisis(tmp_path / "crisis", posts=10)
    photo = next((tmp_path / "crisis" / "images").iterdir())
    text = "El puente en Ponce se derrumbó, dos personas atrapadas en el techo, envíen ayuda"
    analyst = Analyst.load(bundle, image_root=photo.parent)
    [found] = analyst.assess([Post(id="1", text=text, image=ImageRef(path=photo.name))])
    assert "image" in found.modalities
    why = "Its photo alone does not say what it asks for."
    assert all(str(task.reason).endswith(why) for task in found.tasks.values())


@pytest.mark.parametrize(
    "text", ["We need insulin", "Bridge down, send a boat", "Trapped on the roof!!", "ok"]
)
def test_short_english_is_read(english: Analyst, text: str) -> None:
    [found] = english.assess([text])
    assert found.unread is None


def test_the_word_of_the_post_counts_before_detection(english: Analyst) -> None:
    text = "Bridge is down and the road to the hospital is flooded"
    marked, unmarked, unsaid = english.assess(
        [
            Post(id="1", text=text, lang="es-PR"),
            Post(id="2", text=text),
            Post(id="3", text=text, lang="und"),
        ]
    )
    assert marked.unread == "The text is marked as being in another language (es) than the model reads (en)."
    assert (unmarked.unread, unsaid.unread) == (None, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Amra bonnay atke achi, nouka lagbe", None),
        ("Yahan imarat gir gayi hai bachao", None),
        # a platform names the language, whatever its letters
        ("Hum chhat par phanse hue hain pani badh raha hai", "hi"),
        ("el beit wa2e3 w fi nas ta7t el ankad", "ar-EG"),
        ("Pahiro le bato banda bhayo uddhar garnuhos", "und"),
    ],
)
def test_letters_of_another_language_are_not_read_by_models_of_many(
    english: Analyst, text: str, said: str | None
) -> None:
    known = ("en", "ht", "es", "it", "fr", "pt", "hi", "ne")
    found = language_of(text, said, known, english.encoder.encoders.text)
    assert found.language is None
    assert str(found.unread).endswith("in Latin letters, which no model was shown to read.")
    # what a platform says of a language in Latin letters is believed
    assert language_of(text, "en", known, english.encoder.encoders.text).unread is None


_MANY = ("en", "ht", "es", "it", "fr", "pt", "hi", "ne")


@pytest.mark.parametrize(
    "text",
    [
        "Adresse : Haiti, Carrefour, rue R saint louis. Weneed food, tents, waters, sleeping bags or "
        "sleeping mats please help. Thank you",
        "Hello! Bon soir. carefour route truitier villa jasmin B 132",
        "Information concernant tremblement de terre en Haiti.",
    ],
)
def test_a_text_in_one_of_several_read_languages_is_read(english: Analyst, text: str) -> None:
    encoder = english.encoder.encoders.text
    assert detect_language(text) is None
    assert language_of(text, None, _MANY, encoder) == Readable(None, None)
    # the same text is not read by models of other languages, nor by one of English alone
    assert language_of(text, None, ("de", "tr"), encoder).unread is not None


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("@user: URGENTE: Sismo de magnitud 7,5 sacude Guatemala", "es"),
        ("RT @user @user: 6 heridos en Guatemala via @user", "es"),
        # a name in other letters
        ("Philippine Typhoon Bopha death toll passes 300: @userさんから", "en"),
    ],
)
def test_names_of_accounts_have_no_language(text: str, language: str) -> None:
    assert detect_language(text) == language


@pytest.mark.parametrize(
    "text",
    [
        "Tafadhali msaada, nyumba imefurika maji",
        "Tolong kami di atap rumah, air naik terus",
        "Nawgan ak si Mama, asa na mo",
        "Zifaa nna, mmiri ejula ebe niile biko",
    ],
)
def test_what_no_read_language_is_near_stays_unread(english: Analyst, text: str) -> None:
    assert language_of(text, None, _MANY, english.encoder.encoders.text).unread is not None


def test_hindi_in_its_own_letters_is_read(english: Analyst) -> None:
    text = "हम छत पर फंसे हैं और पानी बढ़ रहा है"
    assert language_of(text, None, ("en", "hi"), english.encoder.encoders.text).unread is None


def test_unread_posts_stand_between_jokes_and_calls(english: Analyst) -> None:
    call, unread, joke, empty = english.assess(
        [
            "URGENT: the dam broke, families trapped on roofs, two injured, send boats and rescue",
            "Annem enkaz altında, ses geliyor, vinç lazım",
            "Lovely weather today, making pancakes with the kids",
            Post(id="4", text=""),
        ]
    )
    assert call.urgency > unread.urgency > joke.urgency
    assert empty.urgency == 0


def test_models_without_languages_read_everything() -> None:
    encoder = load_encoders(EncoderSpec(name="hashing")).text
    assert language_of("Puente caido, dos heridos", None, (), encoder).unread is None


def test_words_of_another_script_are_no_english_words(english: Analyst) -> None:
    encoder = english.encoder.encoders.text
    assert whole_words("እርዳታ እንፈልጋለን", encoder) == 0
    assert whole_words("the bridge is down", encoder) == 1


def test_a_call_behind_the_encoders_limit_is_found(english: Analyst) -> None:
    talk = "Good morning and thank you to everybody who came to the choir concert, it was lovely. " * 8
    call = (
        "URGENT: the river has broken the dam at Mill Lane, four families are trapped on their roofs, two "
        "people are injured, send boats and rescue now."
    )
    alone, behind = english.assess([call, talk + call])
    assert behind.tasks["informativeness"].label == alone.tasks["informativeness"].label == "informative"
    assert behind.urgency > 0.3
    assert any("was read in" in note for note in behind.notes)


def test_windows_do_not_depend_on_the_company(english: Analyst) -> None:
    talk = "The library opens later this week, please bring the books back in time. " * 12
    posts = [Post(id=str(i), text=text) for i, text in enumerate([talk, "Bridge down", talk + "Help us!"])]
    together = [found.model_dump(exclude={"provenance"}) for found in english.assess(posts)]
    alone = [english.assess([post])[0].model_dump(exclude={"provenance"}) for post in posts]
    assert together == alone


@settings(max_examples=40, deadline=None)
@given(text=st.text(alphabet=st.characters(codec="utf-8"), max_size=900))
def test_windows_hold_all_letters_of_a_text(text: str) -> None:
    encoder = load_encoders(EncoderSpec(name="hashing")).text
    found = windows_of(text, encoder)
    assert 1 <= len(found.parts) <= MOST_WINDOWS
    if not found.rest:
        assert "".join("".join(found.parts).split()) == "".join(text.split())


@pytest.mark.parametrize("code", ["en", "eng", "en-US", "en_GB", "ENG"])
def test_a_language_has_several_codes(english: Analyst, code: str) -> None:
    [found] = english.assess([Post(id="1", text="Bridge is down and the road is flooded", lang=code)])
    assert found.unread is None


@pytest.mark.parametrize(
    ("code", "language"),
    [("fra", "fr"), ("fre", "fr"), ("hat", "ht"), ("spa", "es"), ("fil-PH", "tl"), ("ceb", "ceb")],
)
def test_codes_of_three_letters_are_those_of_two(code: str, language: str) -> None:
    assert primary_language(code) == language
