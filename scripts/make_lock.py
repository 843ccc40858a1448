"""Prints a pip constraints file of what is installed in this environment, crisislens itself left
out.

Local version tags (`2.13.0+cpu`) are cut off: which build of a version is taken is the business of
the index.
"""

from importlib.metadata import distributions


def main() -> None:
    """Prints the file."""
    found = {d.metadata["Name"]: d.version.partition("+")[0] for d in distributions()}
    for name in ("crisislens", "pip", "setuptools"):
        found.pop(name, None)
    print(
        "# What CI and 'make' install, exactly: a pip constraints file (pip install -c "
        "constraints.txt). Renew it with 'make lock'."
    )
    for name in sorted(found, key=str.lower):
        print(f"{name}=={found[name]}")


if __name__ == "__main__":
    main()
