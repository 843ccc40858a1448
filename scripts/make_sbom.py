"""Prints what crisislens is made of: an SBOM (CycloneDX 1.6, JSON) or, with `--licences`, a table.

Both are read from the metadata of what is installed in this environment, so they say what runs here
and not what some list once said: `make sbom`.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import Distribution, PackageMetadata, distributions

NAME = "crisislens"


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints one of the two.

    Arguments:
        arguments: Of the command line; those of this process by default.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--licences", action="store_true", help="a Markdown table of licences instead")
    table = parser.parse_args(arguments).licences
    print(licences(installed()) if table else json.dumps(sbom(installed()), indent=1, ensure_ascii=False))


def installed() -> dict[str, Distribution]:
    """Distributions by name, sorted without regard to case."""
    found = {d.metadata["Name"]: d for d in distributions()}
    return {name: found[name] for name in sorted(found, key=str.lower)}


def sbom(found: Mapping[str, Distribution]) -> dict[str, object]:
    """The bill of materials as CycloneDX spells it.

    Arguments:
        found: Distributions by name.
    """
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": component(found[NAME], kind="application")} if NAME in found else {},
        "components": [component(one) for name, one in found.items() if name != NAME],
    }


def component(one: Distribution, *, kind: str = "library") -> dict[str, object]:
    """A package: name, version, address of the package and licence.

    Arguments:
        one: The distribution.
        kind: CycloneDX' type of component.
    """
    name, version = one.metadata["Name"], one.version
    purl = f"pkg:pypi/{name.lower().replace('_', '-')}@{version.partition('+')[0]}"
    return {
        "type": kind,
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        "licenses": [{"license": {"name": licence(one.metadata)}}],
    }


def licence(metadata: PackageMetadata) -> str:
    """What a package says of its licence: the expression, the classifiers, or a short `License` field."""
    expression = metadata.get("License-Expression")
    if expression:
        return str(expression)
    classifiers = [c.split(" :: ")[-1] for c in metadata.get_all("Classifier") or [] if "License ::" in c]
    if classifiers:
        return ", ".join(classifiers)
    # some packages put the whole text there; its first line is its name
    said = next((line.strip() for line in (metadata.get("License") or "").split("\n") if line.strip()), "")
    return said[:80] or "not said"


def licences(found: Mapping[str, Distribution]) -> str:
    """A table of packages, versions and licences in Markdown.

    Arguments:
        found: Distributions by name.
    """
    lines = ["| package | version | licence |", "| --- | --- | --- |"]
    for name, one in found.items():
        lines.append(f"| {name} | {one.version} | {licence(one.metadata).replace('|', '/')} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
