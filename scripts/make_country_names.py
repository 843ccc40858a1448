"""Writes names of countries in many languages into the gazetteer's assets:
`python scripts/make_country_names.py`.

From the Unicode CLDR (https://cldr.unicode.org, Unicode License v3) as packaged by Babel. All names
of languages with other letters than Latin are taken; of those with Latin letters names of four
letters and more that no city of 100,000 inhabitants has. Words of other languages are left out.
"""

from pathlib import Path

from babel import Locale

from crisislens.knowledge.entries import all_entries
from crisislens.knowledge.geonames import country_rows
from crisislens.knowledge.name_keys import name_key
from crisislens.knowledge.word_lists import word_list

OUT = Path(__file__).resolve().parent.parent / "src/crisislens/assets/gazetteer/country_names.tsv"
OTHER_LETTERS = (
    "am ar as be bg bn el fa gu he hi hy ja ka kk km kn ko ky lo mk ml mn mr my ne or pa ru si sr ta te "
    "tg th ti uk ur zh zh_Hant"
)
LATIN = "de es fr id it nl pl pt ro tr"
SHORTEST_LATIN, TAKEN_BY = 4, 100_000
# words of English, Arabic, Hebrew, Cyrillic, Indian and Korean languages, Thai and Lao: suede, financial,
# building, that, butane, ...
LEFT_OUT = (
    "island swiss suede indie dominique catar misir oman cuba cina paru "
    "شام مالي مالی بنين مراکش מאלי בנין того чад माली মালি มาลี ລາວ 오만 가나 말리 부탄 수단 "
    "yaman gana ชาด பெரு சாட் கானா নিউ פרו קניה پرو پیرو گنی پلاؤ 건지 저지 피지 マリ روس"
)
HEADER = (
    "# names of countries in other languages, by scripts/make_country_names.py from the Unicode CLDR "
    "(Unicode License v3): ISO code, name\n"
)


def main() -> None:
    """Writes the table."""
    taken = {
        name_key(name)
        for entry, names in all_entries()
        if entry.kind != "country" and entry.population >= TAKEN_BY
        for name in names
    }
    left_out = {name_key(word) for word in LEFT_OUT.split()} | {"la reunion"} | word_list("weak")
    codes = [code for code, _, _ in country_rows()]
    owners: dict[str, set[str]] = {}
    rows: dict[tuple[str, str], str] = {}
    for language in f"{OTHER_LETTERS} {LATIN}".split():
        names = Locale.parse(language).territories
        for code in codes:
            latin = language in LATIN.split()
            # "Myanmar (Burma)" are two names
            for name in names.get(code, "").rstrip(")").split(" ("):
                key = name_key(name)
                if not name or key in left_out or (latin and (len(key) < SHORTEST_LATIN or key in taken)):
                    continue
                owners.setdefault(key, set()).add(code)
                rows.setdefault((code, key), name)
    # a name of two countries would name neither
    lines = [f"{code}\t{name}" for (code, key), name in rows.items() if len(owners[key]) == 1]
    OUT.write_text(HEADER + "\n".join(sorted(lines)) + "\n", encoding="utf-8")
    print(f"{len(lines)} names in {OUT.name}")


if __name__ == "__main__":
    main()
