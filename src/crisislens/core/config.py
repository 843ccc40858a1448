"""Configuration: frozen, strict, with units in the docstrings; read from YAML and overridden by
`key.sub=value`.

Values pass through omegaconf (which merges the file and the overrides) into pydantic (which checks them), so
a wrong key or type is one sentence naming the key, never a stack trace.
"""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from crisislens.core.errors import ConfigError
from crisislens.core.fingerprint import fingerprint

__all__ = ["Config"]

# not typing.Self: the shape checks of the tests decorate methods one by one, where beartype refuses it
C = TypeVar("C", bound="Config")


class Config(BaseModel):
    """The base of every configuration: immutable, unknown keys refused, fingerprinted."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @classmethod
    def load(cls: type[C], path: Path, overrides: list[str] | None = None) -> C:
        """Reads a YAML file and applies overrides such as `optimizer.learning_rate=1e-3`.

        Raises:
            ConfigError: If the file is missing or unreadable, or a key or value does not fit.
        """
        from omegaconf import OmegaConf
        from omegaconf.errors import OmegaConfBaseException
        from yaml import YAMLError

        if not path.is_file():
            raise ConfigError(
                f"no run file at {path}; give the path of a YAML file (examples stand in configs/)"
            )
        try:
            merged = OmegaConf.merge(OmegaConf.load(path), OmegaConf.from_dotlist(list(overrides or [])))
            values: Any = OmegaConf.to_container(merged, resolve=True)
        except (YAMLError, OmegaConfBaseException, OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{path} cannot be read as YAML with these overrides: {str(error).splitlines()[0]}"
            ) from error
        return cls.parse(values, where=str(path))

    @classmethod
    def parse(cls: type[C], values: object, *, where: str) -> C:
        """Checks plain values.

        Raises:
            ConfigError: Naming each wrong key and what it expects.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            faults = "; ".join(
                _fault(".".join(str(key) for key in e["loc"]), e["msg"], e["input"]) for e in error.errors()
            )
            raise ConfigError(f"{where} does not fit {cls.__name__}: {faults}") from error

    def fingerprint(self) -> str:
        """16 hex digits over all values, defaults included."""
        return fingerprint(self.model_dump(mode="json"))


def _fault(key: str, message: str, given: object) -> str:
    return f"{key or 'the whole file'}: {message} (got {given!r:.60})"
