"""Languages in letters that are not their own are known by their words, and others are not taken for them."""

import pytest

from crisislens.data.romanized import romanized

FOUND = [
    ("Bengali", "Amra bonnay atke achi, nouka lagbe"),
    ("Bengali", "Amader bari bhenge geche, sahajjo korun"),
    ("Bengali", "Ekhane khabar pani nei, taratari ashun"),
    ("Bengali", "AMRA CHADER UPOR, UDDHAR KORUN"),
    ("Hindi or Urdu", "Madad chahiye, pul toot gaya hai, log phanse hain"),
    ("Hindi or Urdu", "Hum chhat par phanse hue hain pani badh raha hai"),
    ("Hindi or Urdu", "Yahan imarat gir gayi hai bachao"),
    ("Hindi or Urdu", "Khuda ke liye koi kashti bhej do"),
    ("Hindi or Urdu", "Log malbay ke neeche dabe hain"),
    ("Nepali", "Maddat garnus ghar bhatkiyo manche purieko cha"),
    ("Nepali", "Hamilai khana ra pani chaiyo"),
    ("Nepali", "Bhukampa le ghar bhatkyo tripal chaiyo"),
    ("Arabic", "m7tagin mosa3da f beit 3ala el sat7"),
    ("Arabic", "el beit wa2e3 w fi nas ta7t el ankad"),
    ("Arabic", "lazim akl w may lil atfal fi al madrasa"),
]
OTHERS = [
    "",
    "   ",
    "Two people on the roof at Mill Street, water is rising",
    "RT @user: thx 4 the help, gr8 work 2day! w8ing for news https://t.co/a3b7c",
    "M7.1 earthquake near B3 and A9, call 911 or 112",
    "Hai bisogno di aiuto? La casa è crollata, siamo in via Roma",
    "El puente en Ponce se derrumbó, dos personas atrapadas",
    "Socorro, estamos ilhados no telhado",
    "Nous sommes coincés sur le toit, envoyez un bateau",
    "Tanpri ede nou, kay la kraze",
    "Tolong, kami terjebak banjir di atap rumah",
    "Tulong po nasa bubong kami mataas na ang tubig",
    "Tafadhali msaada, nyumba imefurika maji",
    "Fadlan na caawi guriga wuu dumay",
    "Annem enkaz altında, ses geliyor, vinç lazım",
    # a name or a word of theirs in an English sentence
    "Bachao! The bridge at Ghar Road is down and people are trapped",
    "Nepal earthquake: Bato and Banda districts need tents",
    "हामीलाई खाना र पानी चाहियो",
    "আমরা বন্যায় আটকে আছি",
]


@pytest.mark.parametrize(("language", "text"), FOUND)
def test_they_are_found(language: str, text: str) -> None:
    assert romanized(text) == language


@pytest.mark.parametrize("text", OTHERS)
def test_nothing_else_is(text: str) -> None:
    assert romanized(text) is None


def test_links_handles_and_hashtags_are_no_words() -> None:
    assert romanized("@hain @nahi #pani #ghar https://ghar.example/madad Flood in town") is None
