"""Places in scripts other than Latin: their names, what is grown on to them, texts without spaces."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisislens.domain.post import Post
from crisislens.knowledge.gazetteer import Gazetteer
from crisislens.knowledge.mentions import find_places
from crisislens.knowledge.name_keys import name_key
from crisislens.knowledge.tokens import split_words
from crisislens.knowledge.word_lists import asset_rows
from crisislens.knowledge.writing import bare_forms, is_caseless, pieces, unspaced


def placed(text: str, lang: str, gazetteer: Gazetteer) -> dict[str, str]:
    mentions = find_places(Post(id="1", text=text, lang=lang), gazetteer)
    assert all(text[m.start : m.end] == m.text for m in mentions)
    return {m.text: f"{m.place.name}, {m.place.country}" for m in mentions}


@pytest.mark.parametrize(
    ("lang", "text", "expected"),
    [
        ("ar", "فيضانات في درنة ونحتاج مساعدة قرب بنغازي", {"درنة": "Darnah, LY", "بنغازي": "Benghazi, LY"}),
        ("fa", "زلزله در کرمانشاه، کمک لازم است", {"کرمانشاه": "Kermanshah, IR"}),
        ("ur", "مینگورہ میں سیلاب", {"مینگورہ": "Mingora, PK"}),
        ("he", "אנשים לכודים בחיפה", {"בחיפה": "Haifa, IL"}),
        ("ru", "Наводнение в Орске, люди на крышах", {"Орске": "Orsk, RU"}),
        ("uk", "Обстріл у Харкові, потрібна вода", {"Харкові": "Kharkiv, UA"}),
        ("el", "Φωτιά στην Αθήνα και στον Βόλο", {"Αθήνα": "Athens, GR", "Βόλο": "Volos, GR"}),
        ("hi", "केरल में बाढ़, पटना से मदद", {"केरल": "Kerala, IN", "पटना": "Patna, IN"}),
        ("ne", "काठमाडौंमा भूकम्प", {"काठमाडौंमा": "Kathmandu, NP"}),
        ("bn", "কুমিল্লার কাছে বন্যা", {"কুমিল্লার": "Comilla, BD"}),
        ("ta", "சென்னையில் வெள்ளம்", {"சென்னையில்": "Chennai, IN"}),
        ("ka", "წყალდიდობა თბილისში", {"თბილისში": "Tbilisi, GE"}),
        ("am", "በመቀሌ ውሃ የለም", {"በመቀሌ": "Mek'ele, ET"}),
        ("ko", "포항에서 지진, 건물이 무너졌어요", {"포항에서": "Pohang, KR"}),
        ("ja", "石川県輪島市で家屋倒壊", {"石川県": "Ishikawa, JP", "輪島市": "Wajima, JP"}),
        ("zh", "河南郑州暴雨求救", {"河南": "Henan Sheng, CN", "郑州": "Zhengzhou, CN"}),
        ("km", "ទឹកជំនន់នៅភ្នំពេញ", {"ភ្នំពេញ": "Phnom Penh, KH"}),
        ("th", "น้ำท่วมที่เชียงใหม่ ไฟไหม้ที่กรุงเทพ", {"เชียงใหม่": "Chiang Mai, TH", "กรุงเทพ": "Bangkok, TH"}),
        ("my", "မန္တလေးမှာ ငလျင်", {"မန္တလေး": "Mandalay, MM"}),
        (
            "ko",
            "한국 서울과 부산에는",
            {"한국": "South Korea, KR", "서울과": "Seoul, KR", "부산에는": "Busan, KR"},
        ),
        # Marrakesh is Morocco in Persian, Ibadan in Nigeria is written as Abadan is
        ("ar", "زلزال في مراكش", {"مراكش": "Marrakesh, MA"}),
        ("fa", "متروپل آبادان", {"آبادان": "Abadan, IR"}),
        # who sends help does not move the place
        ("ar", "تركيا ترسل مساعدات إلى درنة", {"تركيا": "Turkey, TR", "درنة": "Darnah, LY"}),
        (
            "fr",
            "Incendie à Marseille, l'Allemagne aide",
            {"Marseille": "Marseille, FR", "Allemagne": "Germany, DE"},
        ),
        # countries, also in Latin letters
        ("es", "Terremoto en Siria e Irak", {"Siria": "Syria, SY", "Irak": "Iraq, IQ"}),
        ("ar", "زلزال في تركيا وسوريا", {"تركيا": "Turkey, TR", "وسوريا": "Syria, SY"}),
        ("es", "Terremoto en Turquía", {"Turquía": "Turkey, TR"}),
        # accents in small letters, as people type
        ("es", "terremoto en méxico", {"méxico": "Mexico, MX"}),
        ("fr", "séisme en haïti", {"haïti": "Haiti, HT"}),
        ("de", "Erdbeben in der Türkei", {"Türkei": "Turkey, TR"}),
        # an apostrophe and an ending, as Turkish writes them
        ("tr", "Kahramanmaraş'ta yardım bekliyoruz", {"Kahramanmaraş": "Kahramanmaraş, TR"}),
        ("tr", "Malatya’nın köyleri", {"Malatya": "Malatya, TR"}),
    ],
)
def test_places_are_found_in_the_letters_of_their_country(
    lang: str, text: str, expected: dict[str, str], gazetteer: Gazetteer
) -> None:
    assert placed(text, lang, gazetteer) == expected


@pytest.mark.parametrize(
    ("lang", "text"),
    [
        # how, torrents and corona: Kyiv, Seoul, and cities in Spain and California
        ("ar", "كيف حالكم اليوم"),
        ("ar", "عدد المصابين بكورونا"),
        ("ar", "#كورونا"),
        # otherwise and whole: Varna in Bulgaria, Sari in Iran
        ("hi", "वरना सारी फसल"),
        # considerably: Oita
        ("ja", "大分揺れました"),
        # houses is no name with an ending
        ("ru", "дома стоят"),
        # we need a boat, said that: Tonga, Laos
        ("th", "เราต้องการเรือ"),
        ("th", "เขากล่าวว่า"),
        # parts of words: Thailand, India, Syria, Libya, Mali, Aruba
        ("ja", "リアルタイム タイムライン タイヤ スタイル"),
        ("ja", "ブラインド マインド インドア シリアルナンバー オリビア マリア アルバイト"),
        # coastal areas, the Sea of Japan, today, developing countries, marble: Haiti, Japan, China, Dali
        ("zh", "沿海地区 近海地震 发展中国家 大理石"),
        ("ja", "南海地震 日本海地震 今日本当に 富士山"),
        # besides, we had: Togo, Mali
        ("ru", "Кроме того, чад и куба"),
        ("uk", "ми мали"),
        # financial aid, we are safe, a tremor, torrents: Mali, Amman, Heze, Seoul
        ("ar", "دعم مالي، نحن في امان، هزة أرضية، في سيول جارفة"),
        ("fa", "کمک مالی"),
        ("he", "הבנין קרס, פונה"),
        ("ko", "지진 후에 빈 고양이 이천 명, 오만 명"),
        ("hi", "माली सूरत सागर आनंद"),
        # marks are letters here: hello, no way, the most (Chiba, Saga, Chiba), cruel (Karur)
        ("ja", "こんにちは まさか いちばん"),
        ("hi", "क्रूर"),
        # no ending is cut for a city abroad: all (Wuxi), a million (Lyon)
        ("uk", "усі люди"),
        ("he", "מליון אנשים"),
        # accents that the place has not: tomorrow (Maine), the door (USA)
        ("ro", "mâine dimineață, ușa"),
        ("th", "เมื่อวาน"),
        # people
        ("ja", "山口さん 松本さん 太田さん"),
        ("en", "a suede jacket and Indie music"),
        ("fr", "Dominique a disparu"),
    ],
)
def test_words_are_not_taken_for_places(lang: str, text: str, gazetteer: Gazetteer) -> None:
    assert placed(text, lang, gazetteer) == {}


def test_hashtags_are_read_in_all_scripts(gazetteer: Gazetteer) -> None:
    assert placed("#حفر_الباطن تغرق", "ar", gazetteer) == {"حفر_الباطن": "Hafar Al-Batin, SA"}
    assert placed("#नेपाल", "ne", gazetteer) == {"नेपाल": "Nepal, NP"}
    assert placed("#熊本地震 #四川地震#", "ja", gazetteer) == {"熊本": "Kumamoto, JP", "四川": "Sichuan, CN"}


def test_letters_that_writers_exchange_are_one() -> None:
    assert name_key("درنة") == name_key("درنه")
    assert name_key("إدلب") == name_key("ادلب")
    assert name_key("کرمان") == name_key("كرمان")
    # stretched, with points, with a mark of direction
    assert name_key("بيـــروت\u200f") == name_key("بَيْروت") == name_key("بيروت")


def test_marks_do_not_cut_a_word() -> None:
    for text in ("वायनाड में", "বন্যা হয়েছে", "بَيْروت تغرق"):
        assert [w.text for w in split_words(text, lambda name: False)] == text.split()


@given(
    st.text(alphabet="輪島市で家屋 ab石川県", max_size=20), st.sets(st.sampled_from(["輪島", "石川県", "家"]))
)
def test_pieces_are_the_whole_run_in_order(text: str, known: set[str]) -> None:
    cut = list(pieces(text, known.__contains__, lambda two: 4))
    assert "".join(text[a:b] for a, b in cut) == text
    assert all(a < b for a, b in cut)


def test_what_is_grown_on_is_a_table_that_can_be_read() -> None:
    rows = list(asset_rows("grown_on.tsv"))
    assert all(where in ("prefix", "ending") for _, where, _, _ in rows)
    for script, _, letters, instead in rows:
        assert all(unicodedata.name(c).startswith(script) for c in letters + instead)
        # a row that changes nothing would look the word itself up again
        assert letters != instead
    assert list(bare_forms("Orsk")) == []
    assert list(bare_forms("")) == []


def test_scripts_are_told_apart() -> None:
    assert [is_caseless(word) for word in ("درنة", "თბილისი", "Орск", "Derna", "7")] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert [unspaced(word) for word in ("輪島", "서울", "Roma")] == [True, False, False]


def test_the_names_of_countries_are_of_countries(gazetteer: Gazetteer) -> None:
    rows = list(asset_rows("country_names.tsv"))
    assert len(rows) > 9000
    owners: dict[str, set[str]] = {}
    for code, name in rows:
        assert gazetteer.get(f"country:{code}") is not None
        owners.setdefault(name_key(name), set()).add(code)
    assert json.dumps([key for key, codes in owners.items() if len(codes) > 1]) == "[]"
