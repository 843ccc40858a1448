"""Writes docs/reference from the code: the commands, the record, the models, the settings.
`--check` says whether it is up to date.

The pages are made, never edited; a test runs the check, so the reference cannot drift from the
code.
"""

import argparse
import json
import os
import re
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
NOTE = "<!-- made by scripts/make_reference.py; do not edit -->\n\n"
WIDTH = 100
ITEM = re.compile(r"\s*(?:[-*+]|\d+[.)])\s+")
MARKER = re.compile(r" (?=(?:[-*+#>]|\d+[.)])(?:\s|$))")
GLUE = "\0"


def commands() -> str:
    """Every command with its help, as a terminal of 100 columns shows it."""
    os.environ.update(COLUMNS="100", TERM="dumb", NO_COLOR="1", TERMINAL_WIDTH="100")
    import typer
    from typer.testing import CliRunner

    from crisislens.cli.main import app

    def walk(command: Any, path: list[str]) -> list[list[str]]:
        children = getattr(command, "commands", {})
        return [path] + [p for name, child in sorted(children.items()) for p in walk(child, [*path, name])]

    pages = ["# Commands\n"]
    for path in walk(typer.main.get_command(app), []):
        shown = (
            CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "100"}, prog_name="crisislens").output
        )
        lines = "\n".join(line.rstrip() for line in shown.strip().splitlines())
        pages.append(f"## crisislens {' '.join(path)}".rstrip() + f"\n\n```text\n{lines}\n```\n")
    return "\n".join(pages)


def record() -> str:
    """The JSON Schema of `assessments.jsonl` and `failed.jsonl`."""
    from crisislens.domain.assessment import Assessment, FailedPost

    text = "# Records\n\nOne JSON object a line.\n"
    for name, model in (("assessments.jsonl", Assessment), ("failed.jsonl", FailedPost)):
        text += f"\n## {name}\n\n```json\n{json.dumps(model.model_json_schema(), indent=2)}\n```\n"
    return text


def models() -> str:
    """Architectures, encoders, label spaces and the bundles that ship."""
    from crisislens.core import assets
    from crisislens.domain import place_types
    from crisislens.domain.tasks import TASKS
    from crisislens.encoders.base import ENCODERS
    from crisislens.models.base import MODELS
    from crisislens.pipeline.bundle import BUNDLE, Bundle, packaged_bundles

    text = "# Models, encoders, label spaces\n\n## Architectures\n\n"
    text += "".join(f"- `{name}`: {first_line(cls)}\n" for name, cls in MODELS.items())
    text += "\n## Encoders\n\n" + "".join(
        f"- `{name}`: {first_line(build)}\n" for name, build in ENCODERS.items()
    )
    text += "\n## Label spaces\n\n| name | task | setting | classes |\n|---|---|---|---|\n"
    text += "".join(
        f"| {s.name} | {s.question} | {s.setting} | {', '.join(s.classes)} |\n" for s in TASKS.values()
    )
    text += extractors()
    text += "\n## Models that ship\n"
    for name, folder in (packaged_bundles() | assets.shipped("places", BUNDLE)).items():
        card = Bundle.read(folder).card().replace("\n#", "\n###").lstrip("# ")
        text += f"\n### {name}\n\n{card.partition(chr(10))[2].strip()}\n"
    text += "\n## Mappings between kinds of places\n\n"
    for name, pairs in place_types.PLACE_MAPPINGS.items():
        text += f"- `{name}`: " + ", ".join(f"{a} → {b}" for a, b in pairs.items() if b is not None) + "\n"
    return wrapped(text)


def extractors() -> str:
    """The cards of the extractors that ship."""
    from crisislens.pipeline.extractors import packaged_extractors

    text = "\n## Extractors that ship\n"
    for name, folder in packaged_extractors().items():
        card = (folder / "README.md").read_text(encoding="utf-8").replace("\n#", "\n###")
        text += f"\n### {name}\n\n{card.partition(chr(10))[2].strip()}\n"
    return text


def settings() -> str:
    """Every key of a run file, from the docstrings of the configuration."""
    from crisislens.training.config import RunConfig
    from crisislens.training.joint_run import JointRun
    from crisislens.training.rationale_run import RationaleRun

    text = "# Settings of a run file\n"
    kinds = {
        "run file": RunConfig,
        "run file of a rationale model": RationaleRun,
        "run file of a joint rationale model": JointRun,
    }
    for title, config in kinds.items():
        text += settings_of(title, config.model_json_schema(), seen=text)
    return text


def extraction_settings() -> str:
    """Every key of a run file of `train-extractor`."""
    from crisislens.training.extraction.config import ExtractionRun

    return "# Settings of a run file of train-extractor\n" + settings_of(
        "run file", ExtractionRun.model_json_schema()
    )


def settings_of(title: str, schema: dict[str, Any], *, seen: str = "") -> str:
    """The tables of a configuration and of those inside it that were not shown before."""
    text = ""
    blocks = {title: schema, **schema.get("$defs", {})}
    for name, block in blocks.items():
        if f"\n## {name}\n" in seen:
            continue
        if "properties" not in block:
            continue
        text += f"\n## {name}\n\n| key | default | meaning |\n|---|---|---|\n"
        for key, value in block["properties"].items():
            default = json.dumps(value["default"]) if "default" in value else "required"
            said = value.get("description") or schema["$defs"].get(
                value.get("$ref", "").rpartition("/")[2], {}
            ).get("description", "")
            text += f"| `{key}` | `{default}` | {' '.join(said.split())} |\n"
    return text


def first_line(documented: object) -> str:
    """The first paragraph of a docstring as one line."""
    first, _, _ = (getattr(documented, "__doc__", None) or "").strip().partition("\n\n")
    return " ".join(first.split())


def wrapped(page: str) -> str:
    """A page of Markdown whose paragraphs and list items are at most 100 columns wide; tables, headings and
    code stay as they are, and so does a block that is narrow enough.
    """
    lines: list[str] = []
    block: list[str] = []
    in_code = False

    def close() -> None:
        lines.extend(narrowed(block))
        block.clear()

    for line in page.split("\n"):
        fence = line.lstrip().startswith("```")
        if fence or in_code or not line.strip() or line.startswith(("#", "|", "<!--")):
            close()
            lines.append(line)
            in_code ^= fence
        else:
            if ITEM.match(line):
                close()
            block.append(line)
    close()
    return "\n".join(lines)


def narrowed(block: list[str]) -> list[str]:
    """The lines of a paragraph or of one list item, wrapped where one is too long."""
    if all(len(line) <= WIDTH for line in block):
        return list(block)
    item = ITEM.match(block[0])
    indent = " " * len(item[0]) if item else ""
    text = " ".join(line.strip() for line in block)
    # a word that would begin a list or a heading stays with the word before it
    kept = MARKER.sub(GLUE, text)
    return [
        line.replace(GLUE, " ")
        for line in textwrap.wrap(
            kept, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )
    ]


PAGES = {
    "commands.md": commands,
    "records.md": record,
    "models.md": models,
    "settings.md": settings,
    "extraction-settings.md": extraction_settings,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the pages, or with `--check` names those that are out of date."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; name pages that are out of date")
    check = parser.parse_args(arguments).check
    folder = ROOT / "docs" / "reference"
    stale = []
    for name, make in PAGES.items():
        text = NOTE + make()
        path = folder / name
        if check:
            if not path.is_file() or path.read_text(encoding="utf-8") != text:
                stale.append(name)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if stale:
        print(f"out of date: {', '.join(stale)}; run 'make docs'", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
