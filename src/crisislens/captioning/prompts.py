r"""Prompts as versioned data: files under `assets/prompts`, each named, numbered and fingerprinted.

$$x' = \operatorname{VLM}\big(I(x),\ \text{photo}\big), \qquad \text{the instruction } I \text{ holding the
tweet } x$$

(Eq. 1 of Munia et al., 2025, https://arxiv.org/abs/2507.05165). The tweet is the only thing of
others in a prompt. It enters as a JSON string of disarmed text (`data.untrusted`): on one line, in
quotation marks that it cannot close, without chat marks, with angle brackets escaped. So whatever
it says, the turns of the conversation and the words around it stay what the file says.

A change of wording is a new version: captions of different versions are different captions, and the
store keeps them apart.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Literal

from pydantic import Field, field_validator

from crisislens.core.assets import asset
from crisislens.core.config import Config
from crisislens.core.errors import ConfigError, InputError
from crisislens.core.fingerprint import fingerprint
from crisislens.core.yaml_files import read_yaml
from crisislens.data.untrusted import disarmed

__all__ = ["Prompt", "RenderedPrompt", "find_prompt", "packaged_prompts"]

_TWEET_CHARACTERS = 600


@dataclass(frozen=True)
class RenderedPrompt:
    """A prompt for one post.

    Attributes:
        prompt: What it was made from.
        system: The system turn.
        user: The text of the user turn, which stands beside the photo.
    """

    prompt: "Prompt"
    system: str
    user: str


class Prompt(Config):
    """A prompt as its file holds it."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    """The name without its version."""
    version: int = Field(ge=1)
    """Raised with every change."""
    system: str
    """The system turn."""
    user: str
    """The user turn; `{tweet}` is where the tweet stands, doubled braces are braces."""
    answer: Literal["text", "fields"] = "text"
    """Sentences, or a JSON object of `captioning.answers.Fields`."""
    max_tokens: int = Field(default=200, gt=0)
    """Tokens that the model may answer with."""
    max_characters: int = Field(default=1200, gt=0)
    """Length after which an answer is cut."""

    @field_validator("user")
    @classmethod
    def _only_the_tweet_is_filled_in(cls, value: str) -> str:
        rule = "the user turn may hold {tweet} and nothing else in braces"
        try:
            parts = list(Formatter().parse(value))
        except ValueError as error:
            raise ValueError(f"{rule} ({error}); double other braces") from error
        for _, name, form, conversion in parts:
            # no part of it and no other form either: it would not be the quoted tweet any more
            if name is not None and (name != "tweet" or form or conversion):
                written = name + (f"!{conversion}" if conversion else "") + (f":{form}" if form else "")
                raise ValueError(f"{rule} ({written[:40]!r}); double other braces")
        return value

    @property
    def id(self) -> str:
        """Name and version, as in `describe-v1`."""
        return f"{self.name}-v{self.version}"

    @property
    def reads_tweet(self) -> bool:
        """Whether a caption depends on the tweet, not on the photo alone."""
        # two tweets that nobody writes; braces may be doubled, so looking for them is not enough
        return self.user.format(tweet="\0") != self.user.format(tweet="\1")

    def fingerprint(self) -> str:
        """16 hex digits over all of it."""
        return fingerprint(self.model_dump(mode="json"))

    def render(self, tweet: str) -> RenderedPrompt:
        """The prompt for one post.

        Arguments:
            tweet: The post's text as it came.
        """
        quoted = json.dumps(disarmed(tweet, max_characters=_TWEET_CHARACTERS), ensure_ascii=False)
        # JSON leaves angle brackets as they are, and chat templates are built of them
        quoted = quoted.replace("<", "\\u003c").replace(">", "\\u003e")
        return RenderedPrompt(self, self.system.strip(), self.user.format(tweet=quoted))


def find_prompt(name_or_path: str) -> Prompt:
    """A prompt by name (`describe-v1`, or `describe` for the newest
    version) or by the path of a file.

    Raises:
        InputError: If it is neither, with the names that exist.
        ConfigError: If the file does not fit.
    """
    packaged = packaged_prompts()
    if name_or_path in packaged:
        return packaged[name_or_path]
    versions = [p for p in packaged.values() if p.name == name_or_path]
    # without a version the newest; records name the version that it was
    if versions:
        return max(versions, key=lambda p: p.version)
    path = Path(name_or_path)
    try:
        found = path.is_file()
    except OSError:
        # words that are longer than a file's name may be
        found = False
    if found:
        return _read(path)
    raise InputError(
        f"no prompt named {name_or_path!r} and no such file; prompts that ship: {', '.join(packaged)}"
    )


def packaged_prompts() -> dict[str, Prompt]:
    """The prompts that the package ships, by id."""
    root = asset("prompts")
    found = (_read(path) for path in sorted(root.glob("*.yaml")))
    return {prompt.id: prompt for prompt in found}


def _read(path: Path) -> Prompt:
    try:
        values = read_yaml(path)
    except ConfigError as error:
        raise ConfigError(f"{path} cannot be read as a prompt ({error}); see assets/prompts") from error
    return Prompt.parse(values, where=str(path))
