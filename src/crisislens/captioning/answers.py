"""What a model answered, checked before anything believes it: a caption is plain text of limited
length, or an object of fixed fields.

Models break their promises: they wrap JSON in prose or code fences, answer in an empty string,
repeat one word for ever, or echo the prompt. What can be mended without guessing is mended (fences,
white space, invisible characters, length); the rest is refused with a reason, and the caller may
ask again.
"""

import json
import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from crisislens.captioning.prompts import Prompt
from crisislens.core.errors import CrisisLensError
from crisislens.data.untrusted import disarmed, plain_text

__all__ = ["AnswerError", "Fields", "caption_of_answer"]

_FENCE = re.compile(r"^\s*```(?:json)?\s*(.*?)\s*```\s*$", re.DOTALL | re.IGNORECASE)
# eight times the same words: small models fall into circles, people do not
_REPEATED = re.compile(r"(\b.{2,60}?)(?:[\s.,!?]*\1){7,}", re.DOTALL)
_RAW_CHARACTERS = 50_000


class AnswerError(CrisisLensError):
    """An answer that cannot be used as a caption.

    Arguments:
        message: The sentence for people.
        tokens: Tokens that it cost, where they were not counted with an `Answer`.
    """

    def __init__(self, message: str, *, tokens: int = 0) -> None:
        super().__init__(message)
        self.tokens = tokens


class Fields(BaseModel):
    """An answer that a program can check."""

    model_config = ConfigDict(extra="forbid", strict=True)

    description: str = Field(min_length=1, max_length=4000)
    damage: Literal["none", "mild", "severe", "unclear"]
    people: bool
    text: str = Field(default="", max_length=4000)

    def sentence(self) -> str:
        """The same as a caption."""
        parts = [self.description.rstrip(". ") + "."]
        if self.damage != "unclear":
            parts.append(f"Damage: {self.damage}.")
        if self.text.strip():
            parts.append(f'Written in the photo: "{self.text.strip()}".')
        return " ".join(parts)


def caption_of_answer(answer: str, prompt: Prompt) -> str:
    """The caption in a model's answer.

    Arguments:
        answer: What the model said.
        prompt: What it was asked.

    Raises:
        AnswerError: If there is no usable caption in it, with the reason.
    """
    # before anything else looks at it: patterns take time with the length of what they search
    raw = answer[:_RAW_CHARACTERS]
    text = _fields(raw).sentence() if prompt.answer == "fields" else raw
    caption = plain_text(
        disarmed(text, max_characters=prompt.max_characters), max_characters=prompt.max_characters
    )
    if len(re.findall(r"\w", caption)) < 3:
        raise AnswerError(f"the model answered nothing that could be a caption ({answer[:40]!r})")
    if _REPEATED.search(caption):
        raise AnswerError(f"the model repeats itself ({caption[:40]!r}…)")
    return caption


def _fields(raw: str) -> Fields:
    fenced = _FENCE.match(raw)
    try:
        return Fields.model_validate(json.loads(fenced[1] if fenced else raw))
    except (ValueError, RecursionError) as error:
        # a ValidationError is a ValueError too, and says more
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "it is not JSON"
        raise AnswerError(
            f"the answer is not the object that was asked for: {reason} ({raw[:40]!r})"
        ) from error
