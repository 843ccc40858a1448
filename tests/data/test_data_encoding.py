"""Files whose bytes do not say how they spell letters."""

import gzip
import json
from pathlib import Path

import pytest

from crisislens.core.errors import InputError
from crisislens.data.encoding import find_encoding
from crisislens.data.garbled import garbled
from crisislens.data.lines import BrokenRow, read_lines
from crisislens.data.sidecar import Sidecar
from crisislens.data.tabular import read_posts
from crisislens.domain.assessment import FailedPost
from crisislens.domain.post import Post

TEXTS = {
    "cp1251": "Наводнение разрушило мост у рынка, два человека на крыше, нужна лодка",
    "koi8-r": "Наводнение разрушило мост у рынка, два человека на крыше, нужна лодка",
    "cp866": "Наводнение разрушило мост у рынка, два человека на крыше, нужна лодка",
    "cp1256": "الفيضانات جرفت الجسر قرب السوق وهناك شخصان عالقان على السطح",
    "cp1255": "השיטפון לקח את הגשר ליד השוק, שני אנשים לכודים על הגג",
    "cp1253": "Η πλημμύρα πήρε τη γέφυρα κοντά στην αγορά, δύο άνθρωποι στη στέγη",
    "cp874": "น้ำท่วมพัดสะพานใกล้ตลาด สองคนติดอยู่บนหลังคา ส่งเรือมาด้วย",
    "cp932": "洪水で市場近くの橋が流され、二人が屋根に取り残されています。ボートを送ってください",
    "euc-jp": "洪水で市場近くの橋が流され、二人が屋根に取り残されています。ボートを送ってください",
    "gb18030": "洪水冲走了市场附近的桥，两人被困在屋顶，请派船",
    "big5": "洪水沖走了市場附近的橋，兩人被困在屋頂，請派船",
    "cp949": "도와주세요 집에 불이 났어요 홍수로 시장 근처 다리가 무너졌습니다",
    "cp1250": "Povodeň strhla most, dva lidé na střeše, pošlete loď prosím",
    "cp1252": "La inundación se llevó el puente – dos personas “atrapadas” en el tejado",
    "utf-16-le": "Die Brücke ist überflutet, два человека на крыше",
    "utf-16-be": "洪水で市場近くの橋が流され、二人が屋根に取り残されています",
}


def table(texts: list[str]) -> str:
    return "id,text\n" + "".join(f'{i},"{text}"\n' for i, text in enumerate(texts))


@pytest.mark.parametrize("encoding", TEXTS)
def test_a_file_without_a_mark_is_read_and_said_to_be_guessed(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "posts.csv"
    path.write_bytes(table([TEXTS[encoding], "Bridge is down", TEXTS[encoding]]).encode(encoding))
    source = read_posts(path)
    posts = [post for post in source if isinstance(post, Post)]
    assert [post.text for post in posts] == [TEXTS[encoding], "Bridge is down", TEXTS[encoding]]
    (note,) = source.describe()["notes"]  # type: ignore[misc]
    assert "not UTF-8" in note
    assert "--encoding" in note


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_marked_file_or_utf8_needs_no_note(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "posts.csv"
    path.write_bytes(table(list(TEXTS.values())).encode(encoding))
    source = read_posts(path)
    assert [post.text for post in source if isinstance(post, Post)] == list(TEXTS.values())
    assert source.describe()["notes"] == []


def test_the_user_has_the_last_word(tmp_path: Path) -> None:
    path = tmp_path / "posts.csv"
    path.write_bytes(table(["Повінь"]).encode("cp1251"))
    (post,) = read_posts(path, encoding="windows-1251")
    assert isinstance(post, Post)
    assert post.text == "Повінь"
    assert (
        read_posts(path, encoding="cp1251").fingerprint() != read_posts(path, encoding="cp866").fingerprint()
    )


@pytest.mark.parametrize("name", ["klingon", "base64", "hex", "rot13", "idna", "idna\0", ""])
def test_an_encoding_that_is_none_is_one_sentence(tmp_path: Path, name: str) -> None:
    path = tmp_path / "posts.csv"
    path.write_text("id,text\n1,a\n")
    if name:
        with pytest.raises(InputError, match="no encoding named"):
            read_posts(path, encoding=name)
    else:
        assert len(list(read_posts(path, encoding=None))) == 1


def test_of_too_few_letters_no_answer_is_sure(tmp_path: Path) -> None:
    path = tmp_path / "posts.csv"
    path.write_bytes(table(["Нужна вода", "Bridge is down"]).encode("cp1251"))
    source = read_posts(path)
    first, second = [post for post in source if isinstance(post, Post)]
    assert first.doubt is not None
    assert "--encoding" in first.doubt
    assert second.doubt is None
    assert "no answer" in " ".join(map(str, source.describe()["notes"]))  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("Weâ€™re safe in the cafÃ©", "mended"),
        ("ÐŸÐ¾Ð¼Ð¾Ð³Ð¸Ñ‚Ðµ Ð´Ð¾Ð¼ Ð³Ð¾Ñ€Ð¸Ñ‚", "mended"),
        (TEXTS["cp1251"].encode("cp1251").decode("cp1252"), "lost"),
        (TEXTS["cp1256"].encode("cp1256").decode("latin-1"), "lost"),
        (TEXTS["cp1253"].encode("cp1253").decode("cp1252", "replace"), "lost"),
        ("\ufffd\ufffd\ufffd\ufffd ab", "lost"),
        ("Überschwemmung à Nîmes, où êtes-vous?", None),
        ("Ààààààh ÉÉÉÉÉ!!", None),
        ("Þórður fór á fætur í Öræfum", None),
        ("Nước lũ cuốn trôi cây cầu", None),
        (TEXTS["cp932"], None),
        ("bridge \ufffd is down", None),
    ],
)
def test_letters_that_were_read_wrongly_before_are_seen(text: str, state: str | None) -> None:
    assert garbled(text) == state


def test_garbled_posts_say_so(tmp_path: Path) -> None:
    rows = [TEXTS["cp1251"].encode("cp1251").decode("cp1252"), "Weâ€™re safe", "Bridge is down"]
    path = tmp_path / "posts.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in rows))
    source = read_posts(path)
    posts = [post for post in source if isinstance(post, Post)]
    assert [post.doubt is not None for post in posts] == [True, False, False]
    assert [len(post.remarks) for post in posts] == [0, 1, 0]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".json", ".tsv"])
def test_packed_files_are_read(tmp_path: Path, suffix: str) -> None:
    sign = {".csv": ",", ".tsv": "\t"}.get(suffix, "")
    row = {"id": "1", "text": "Brücke"}
    content = f"id{sign}text\n1{sign}Brücke\n" if sign else json.dumps([row] if suffix == ".json" else row)
    path = tmp_path / f"posts{suffix}.gz"
    path.write_bytes(gzip.compress(content.encode()))
    (post,) = read_posts(path)
    assert isinstance(post, Post)
    assert post.text == "Brücke"


@pytest.mark.parametrize("cut", [30, 200, 2_000])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".json"])
def test_a_damaged_archive_costs_its_rest(tmp_path: Path, suffix: str, cut: int) -> None:
    import random

    draw = random.Random(1)
    words = ["".join(draw.choice("abcdefghij ") for _ in range(40)) for _ in range(300)]
    lines = [json.dumps({"id": str(i), "text": text}) for i, text in enumerate(words)]
    content = {
        ".csv": "id,text\n" + "".join(f"{i},{text}\n" for i, text in enumerate(words)),
        ".jsonl": "\n".join(lines),
        ".json": "[" + ",".join(lines) + "]",
    }[suffix]
    path = tmp_path / f"posts{suffix}.gz"
    path.write_bytes(gzip.compress(content.encode())[:-cut])
    rows = list(read_posts(path))
    assert isinstance(rows[-1], FailedPost)
    assert "compressed file" in rows[-1].reason
    assert len(rows) > 10


def test_every_reader_of_lines_finds_the_encoding(tmp_path: Path) -> None:
    path = tmp_path / "captions.csv"
    path.write_bytes(table([TEXTS["cp1251"]]).encode("cp1251"))
    assert Sidecar.read(path).by_id["0"] == TEXTS["cp1251"]
    assert find_encoding(path).name == "cp1251"
    lines = [line for line in read_lines(path) if not isinstance(line, BrokenRow)]
    assert TEXTS["cp1251"] in lines[1]


@pytest.mark.parametrize("name", ["captions.csv", "captions.tsv"])
def test_texts_beside_posts_may_have_lines_that_end_as_on_old_macs(tmp_path: Path, name: str) -> None:
    sign = "," if name.endswith("csv") else "\t"
    path = tmp_path / name
    path.write_text(f"id{sign}text\r1{sign}A bridge\r2{sign}A boat\r", newline="")
    found = Sidecar.read(path)
    assert (found.by_id, found.broken) == ({"1": "A bridge", "2": "A boat"}, 0)
