"""The bill of materials names every package once, with a version, an address and a licence."""

import json
from email.message import Message
from pathlib import Path

import pytest
from make_sbom import installed, licence, licences, main, sbom


def test_every_package_stands_in_it_once() -> None:
    found = installed()
    made = sbom(found)
    assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.6")
    components = made["components"]
    assert isinstance(components, list)
    refs = [one["bom-ref"] for one in components]
    assert len(refs) == len({*refs})
    assert {"numpy", "torch", "pydantic"} <= {one["name"] for one in components}
    assert all(ref.startswith("pkg:pypi/") and "+" not in ref for ref in refs)


def test_the_table_has_a_row_a_package() -> None:
    found = installed()
    rows = licences(found).split("\n")
    assert len(rows) == 2 + len(found)
    assert all(row.count("|") == 4 for row in rows)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ([("License-Expression", "MIT"), ("License", "other")], "MIT"),
        ([("Classifier", "License :: OSI Approved :: BSD License")], "BSD License"),
        ([("License", "\n Apache 2.0 \n\nlong text")], "Apache 2.0"),
        ([], "not said"),
    ],
)
def test_a_licence_is_found_where_packages_put_it(fields: list[tuple[str, str]], said: str) -> None:
    metadata = Message()
    for name, value in fields:
        metadata[name] = value
    assert licence(metadata) == said  # type: ignore[arg-type]


def test_make_sbom_runs_as_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    main([])
    bill = json.loads(capsys.readouterr().out)
    assert bill["metadata"]["component"]["name"] == "crisislens"
    assert all(one["licenses"][0]["license"]["name"] for one in bill["components"])
    main(["--licences"])
    said = capsys.readouterr().out
    assert "| crisislens |" in said
    assert "| numpy |" in said


def test_the_makefile_runs_it() -> None:
    text = (Path(__file__).parents[2] / "Makefile").read_text(encoding="utf-8")
    assert "python scripts/make_sbom.py > sbom.cdx.json" in text
    assert "python scripts/make_sbom.py --licences > licences.md" in text
