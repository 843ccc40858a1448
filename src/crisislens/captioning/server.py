"""Captions from any server that speaks the OpenAI chat interface: vLLM, llama.cpp, Ollama, LM
Studio, or the service itself.

The photo goes as a JPEG that was decoded and encoded anew (no metadata, no trick of a format
survives), inline in the request. The key is read from an environment variable when a request is
made; it is in no record, store, message or file.
"""

import base64
import io
import os
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from pydantic import Field

from crisislens.captioning.answers import AnswerError
from crisislens.captioning.base import CAPTIONERS, Answer, Captioner, CaptionerSpec
from crisislens.captioning.prompts import RenderedPrompt
from crisislens.core.config import Config
from crisislens.core.http import ask_json, check_address
from crisislens.domain.post import Post

__all__ = ["ServerCaptioner", "ServerOptions"]


class ServerOptions(Config):
    """Options of the captioner `server`."""

    url: str = "http://localhost:8000/v1"
    """Address up to and with the version, as in `http://localhost:11434/v1`."""
    model: str
    """The model's name at the server."""
    key_variable: str = "OPENAI_API_KEY"
    """The environment variable that holds the key; servers without keys need none."""
    timeout_s: float = Field(default=120.0, gt=0)
    """Deadline of one request, in seconds."""
    workers: int = Field(default=4, ge=1, le=64)
    """Requests that are under way at once."""
    side_px: int = Field(default=768, ge=32)
    """The longer side of the photo that is sent, in pixels; smaller photos stay as they are."""
    temperature: float = Field(default=0.0, ge=0)
    """0 asks for the likeliest words."""


class ServerCaptioner(Captioner):
    """Asks a server.

    Arguments:
        options: Which server and model.

    Raises:
        InputError: If the address is none.
    """

    def __init__(self, options: ServerOptions) -> None:
        self.options = options
        self.name, self.workers, self.side_px = options.model, options.workers, options.side_px
        self.address = check_address(options.url.rstrip("/") + "/chat/completions")

    def identity(self, post: Post) -> object:
        """Model, size and temperature; not where the server stands,
        so that captions outlive a move.
        """
        o = self.options
        return {"captioner": "server", "model": o.model, "side_px": o.side_px, "temperature": o.temperature}

    def caption(
        self, post: Post, pixels: UInt8[np.ndarray, "h w 3"] | None, prompt: RenderedPrompt
    ) -> Answer:
        """One request."""
        assert pixels is not None
        # at each request: the object holds no key that a dump or a repr could show
        key = os.environ.get(self.options.key_variable)
        photo: object = {
            "type": "image_url",
            "image_url": {"url": "data:image/jpeg;base64," + _jpeg(pixels, self.options.side_px)},
        }
        body: dict[str, object] = {
            "model": self.options.model,
            "messages": [
                {"role": "system", "content": prompt.system},
                {"role": "user", "content": [photo, {"type": "text", "text": prompt.user}]},
            ],
            "max_tokens": prompt.prompt.max_tokens,
            "temperature": self.options.temperature,
        }
        if prompt.prompt.answer == "fields":
            body["response_format"] = {"type": "json_object"}
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        found = ask_json(self.address, body=body, headers=headers, timeout_s=self.options.timeout_s)
        return _answer(found.value)


@CAPTIONERS.register("server")
def build_server(spec: CaptionerSpec) -> ServerCaptioner:
    """Any server with the OpenAI chat interface (vLLM, llama.cpp, Ollama, …).

    Raises:
        ConfigError: If an option does not fit `ServerOptions`.
    """
    return ServerCaptioner(ServerOptions.parse(spec.options, where="captioner server"))


def _jpeg(pixels: UInt8[np.ndarray, "h w 3"], side_px: int) -> str:
    image = Image.fromarray(pixels)
    # scales down only
    image.thumbnail((side_px, side_px), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return base64.b64encode(buffer.getvalue()).decode()


def _answer(value: Any) -> Answer:
    """The text in a completion; servers differ in what they leave out, and some lie."""
    try:
        message = value["choices"][0]["message"]["content"]
    except (TypeError, KeyError, IndexError):
        raise AnswerError(
            f"the server's answer is no chat completion ({str(value)[:60]!r})", tokens=_tokens(value)
        ) from None
    if isinstance(message, list):
        texts = [part.get("text") for part in message if isinstance(part, dict)]
        message = "".join(text for text in texts if isinstance(text, str))
    if not isinstance(message, str):
        # a model may spend all its tokens on thinking; they are paid for like words
        raise AnswerError(f"the server's answer holds no text ({str(message)[:60]!r})", tokens=_tokens(value))
    return Answer(message, _tokens(value, message))


def _tokens(value: Any, message: str = "") -> int:
    """What an answer cost."""
    usage = value.get("usage") if isinstance(value, dict) else None
    counted = usage.get("total_tokens") if isinstance(usage, dict) else None
    if isinstance(counted, int) and not isinstance(counted, bool) and 0 < counted < 10**7:
        return counted
    if not (isinstance(value, dict) and value.get("choices")):
        # no model was at work, as where a server only says that it is overloaded
        return 0
    # a server that does not count, or counts nonsense, is counted roughly: four characters a token,
    # a photo as 600
    return 600 + len(message) // 4
