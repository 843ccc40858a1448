"""What cleaning promises: repaired, link-free, visible, capped, the same the second time, and never an
exception.
"""

import html
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crisislens.data.text import PUBLISHED_RULES, CleaningRules, clean_text

anything = st.text(st.characters(), max_size=200)  # lone surrogates and controls included
FRAGMENTS = (
    "RT ~rt @a ~#~&amp;~&lt;~https://t.co/x~http~htt…~…~"
    "@ann@a.b~via @c~@ d~"
    "\u202e~\u200d~\ud83d~\ude22~á½~¢2~·Ω~â€™~‚Äì~\u1f622~Â ~¬ ~\0~\ufeff~é~ا~word~ ~\n~&#38;~#x26;"
    "~@b:~t.co/a~\ufdd0~😢"
)
pieces = st.lists(st.sampled_from(FRAGMENTS.split("~")), max_size=25).map("".join)


@given(st.one_of(anything, pieces))
@settings(max_examples=300, deadline=None)
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    for rules in (
        CleaningRules(),
        PUBLISHED_RULES,
        CleaningRules(max_characters=7),
        CleaningRules(urls="keep"),
        CleaningRules(names="user"),
    ):
        once = clean_text(text, rules)
        assert clean_text(once, rules) == once


@given(st.one_of(anything, pieces), st.integers(1, 50))
@settings(max_examples=200, deadline=None)
def test_any_string_comes_back_short_and_printable(text: str, cap: int) -> None:
    cleaned = clean_text(text, CleaningRules(max_characters=cap))
    assert len(cleaned) <= cap
    cleaned.encode("utf-8")  # no lone surrogate is left
    assert not [c for c in cleaned if unicodedata.category(c) == "Cc"]
    assert cleaned == " ".join(cleaned.split())


@given(pieces)
@settings(max_examples=100, deadline=None)
def test_no_link_is_left(text: str) -> None:
    assert "http://" not in clean_text(text)
    assert "https://" not in clean_text(text)


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("Weâ€™re capturing", "We’re capturing"),
        ("helping containmentÂ\xa0efforts", "helping containment efforts"),
        ("Fears for ‚Äòpregnant woman‚Äô ‚Äì CNN", "Fears for ‘pregnant woman’ – CNN"),
        ("some prayers \u1f622 needed\u1f494", "some prayers 😢 needed💔"),
        ("flags \u1f1f5\u1f1f7", "flags 🇵🇷"),
        ("á½¢2 and ·Ω¢2", "😢 and 😢"),
        ("á½D lost", "lost"),
        ("Greek ὢ stays, καλὴ1 too", "Greek ὢ stays, καλὴ1 too"),
        ("Irma &amp; Harvey &amp;amp; &lt;3 &#39;", "Irma & Harvey & <3 '"),
        ("AT&T and R&D; x&y=1", "AT&T and R&D; x&y=1"),
        ("half \ud83d\ude22 pairs \ud83d", "half 😢 pairs"),
    ],
)
def test_repairs(raw: str, cleaned: str) -> None:
    assert clean_text(raw) == cleaned


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("fire https://t.co/abc now", "fire now"),
        ("Harvey:https://t.co/4WP8NhxSnX https://t.co/3kwm", "Harvey:"),
        ("HTTP://X.Y and", "and"),
        ("cut off https://…", "cut off"),
        ("cut off http…", "cut off"),
        ("cut off htt…", "cut off"),
        ("cut off https:/", "cut off"),
        ("pic.twitter.com/abc rest", "rest"),
        ("the http protocol", "the http protocol"),
        ("nested hthttps://x.ytp://a", "nested ht"),
    ],
)
def test_links(raw: str, cleaned: str) -> None:
    assert clean_text(raw) == cleaned


def test_published_links_take_the_rest_of_the_line_and_only_that() -> None:
    text = "RT @a: bridge #down https://t.co/x send boats\nsecond line"
    assert clean_text(text, PUBLISHED_RULES) == "@a: bridge down second line"
    assert clean_text(text) == "@a: bridge down send boats second line"
    assert clean_text("Weâ€™re", PUBLISHED_RULES) == "Weâ€™re"


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("RT @a: hello", "@a: hello"),
        ("RT RT @a: hello", "@a: hello"),
        ("rt @a hello", "@a hello"),
        ("RTE news", "RTE news"),
        ("START @a", "START @a"),
        ("RT", ""),
        ("#Flood #2017", "Flood 2017"),
        ("a\u200bb\u2066c\u202ed\ufeff", "abcd"),
        ("gefahr\u00adlich", "gefahrlich"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("a\u200d\u200d\u200db", "ab"),
        ("❤\ufe0f", "❤"),
        (" a\t\n\u00a0\u3000b\u2028 ", "a b"),
        ("nul\0l", "null"),
    ],
)
def test_strips(raw: str, cleaned: str) -> None:
    assert clean_text(raw) == cleaned


def test_rules_can_be_turned_off() -> None:
    text = "RT #a https://t.co/x &amp;"
    keep = CleaningRules(repair_mojibake=False, urls="keep", strip_rt=False, strip_hash=False)
    assert clean_text(text, keep) == text


def test_huge_hostile_texts_cost_little() -> None:
    for unit in ("&", "&amp;", "á½", "â€", "\u200d", "http", "&#", "RT ", "Ã¢â‚¬â„¢", "#\u202e"):
        assert (
            len(clean_text(unit * 200_000)) <= 10_000
        )  # linear in the cap, whatever comes; a hang would show


def test_nested_escapes_are_undone_to_the_end() -> None:
    text = "a < b & c"
    for _ in range(6):
        text = html.escape(text)
    assert clean_text(text) == "a < b & c"


def test_the_fingerprint_follows_the_rules() -> None:
    assert CleaningRules().fingerprint() == CleaningRules().fingerprint() != PUBLISHED_RULES.fingerprint()


@pytest.mark.real
def test_real_texts_lose_their_mojibake(shared_data) -> None:  # type: ignore[no-untyped-def]
    lines = [
        line
        for path in sorted((shared_data / "crisismmd").glob("*/task*.tsv"))
        for line in path.read_text("utf-8").split("\n")[1:]
    ]
    texts = sorted({line.split("\t")[3] for line in lines if line})
    broken = ("â€", "Ã©", "‚Äì", "‚Äô", "á½", "ï¸", "\u1f62")
    before = sum(any(b in text for b in broken) for text in texts)
    cleaned = [clean_text(text) for text in texts]
    assert len(texts) == 12_050
    assert before > 900
    assert not [text for text in cleaned if any(b in text for b in broken)]
    assert not [text for text in cleaned if "https://" in text]


@pytest.mark.real
def test_the_published_rule_costs_words_that_ours_keeps(shared_data) -> None:  # type: ignore[no-untyped-def]
    table = (shared_data / "crisismmd" / "settingA" / "task_damage_text_img_test.tsv").read_text("utf-8")
    texts = [line.split("\t")[3] for line in table.split("\n")[1:] if line]
    shorter = [
        t
        for t in texts
        if len(clean_text(t, PUBLISHED_RULES)) < len(clean_text(t, CleaningRules(repair_mojibake=False)))
    ]
    assert (len(shorter), len(texts)) == (81, 529)


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("RT @ann: We are trapped @FEMA @red_cross", "@user: We are trapped @user @user"),
        ("@ann@mast.social need water, cc: @x.bsky.social.", "@user need water, cc: @user."),
        ("@x RT @y: help", "@user RT @user: help"),
        # in scripts without blanks the text goes on behind the name
        ("@FEMA助けて", "@user助けて"),
        ("@आपदा मदद", "@आपदा मदद"),
        ("stuck @14 Cane St, at @ home", "stuck @14 Cane St, at @ home"),
        ("mail me@example.org", "mail me@example.org"),
        ("thanks @FEMA's crew", "thanks @user's crew"),
    ],
)
def test_names_of_accounts_are_written_alike_where_the_rules_say_so(raw: str, cleaned: str) -> None:
    assert clean_text(raw, CleaningRules(names="user")) == cleaned


def test_features_from_before_the_rule_of_names_are_still_good() -> None:
    # what 0.1.0 gave
    assert CleaningRules().fingerprint() == "50fcdf2378aaaa21"
    assert CleaningRules(names="user").fingerprint() != CleaningRules().fingerprint()
