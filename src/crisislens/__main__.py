"""`python -m crisislens`."""

from crisislens.cli.main import main

if __name__ == "__main__":
    main()
