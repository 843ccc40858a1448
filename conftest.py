"""The run-time checks of types and shapes, for the tests and for the doctests of the package."""

from typechecker import check_imports_of

check_imports_of("crisislens")
