"""Captions from an image-text-to-text model of transformers on this machine: LLaVA-1.5, LLaVA-NeXT,
Qwen-VL and kin.

A checkpoint is a hub name or a local folder; only safetensors are read, and no code from a hub is
run. Decoding is greedy, so a caption can be made again. The chat template is the checkpoint's own;
where it has none, LLaVA-1.5's (`USER: <image> … ASSISTANT:`) is used.
"""

import hashlib
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image

from crisislens.captioning.base import CAPTIONERS, Answer, Captioner, CaptionerSpec
from crisislens.captioning.prompts import RenderedPrompt
from crisislens.core.config import Config
from crisislens.domain.post import Post
from crisislens.encoders.checkpoints import check_whole, checkpoint_errors, hub_closed, source

__all__ = ["TransformersCaptioner", "TransformersOptions"]

_PARTS = frozenset({".safetensors", ".json", ".jinja", ".txt", ".model"})


class TransformersOptions(Config):
    """Options of the captioner `transformers`."""

    checkpoint: str = "llava-hf/llava-1.5-7b-hf"
    """A name on the Hugging Face hub or a local folder."""
    revision: str | None = None
    """A commit of the hub repository; without one, its newest."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or another that torch knows."""
    dtype: Literal["float32", "bfloat16", "float16"] = "bfloat16"
    """Of the weights; float32 where there is no accelerator."""


class TransformersCaptioner(Captioner):
    """A model on this machine.

    Arguments:
        options: Which checkpoint, where.

    Raises:
        ModelError: If the checkpoint cannot be had or is none of a captioner.
    """

    def __init__(self, options: TransformersOptions) -> None:
        self.options, self.name = options, options.checkpoint
        self.model, self.processor = _load(options)
        self.device = torch.device(_device(options.device))
        self.model.to(self.device).eval()
        folder = Path(options.checkpoint)
        # a hub names its commits; of a folder only its files say whether it still holds the same model
        self._revision = (
            _digest(folder)
            if folder.is_dir()
            else str(getattr(self.model.config, "_commit_hash", None) or options.revision or "")
        )

    def identity(self, post: Post) -> object:
        """Checkpoint, commit or files, and precision."""
        return {
            "captioner": "transformers",
            "model": self.name,
            "revision": self._revision,
            "dtype": str(self.model.dtype),
        }

    def caption(
        self, post: Post, pixels: UInt8[np.ndarray, "h w 3"] | None, prompt: RenderedPrompt
    ) -> Answer:
        """Generates greedily."""
        assert pixels is not None
        text = self.chat(prompt)
        inputs = self.processor(images=[Image.fromarray(pixels)], text=[text], return_tensors="pt").to(
            self.device
        )
        for name, x in inputs.items():
            if x.is_floating_point():
                inputs[name] = x.to(self.model.dtype)
        asked = inputs["input_ids"].shape[1]
        with torch.inference_mode():
            made = self.model.generate(**inputs, max_new_tokens=prompt.prompt.max_tokens, do_sample=False)
        # what is generated begins with what was asked
        answer = self.processor.tokenizer.decode(made[0, asked:], skip_special_tokens=True)
        return Answer(answer.strip(), int(made.shape[1]))

    def chat(self, prompt: RenderedPrompt) -> str:
        """The conversation as the model's template writes it, the system turn inside the user's
        where a template knows none.
        """
        if getattr(self.processor, "chat_template", None) is None:
            return f"USER: {self.processor.image_token}\n{prompt.system} {prompt.user} ASSISTANT:"
        words = [{"type": "image"}, {"type": "text", "text": prompt.user}]
        system = {"role": "system", "content": [{"type": "text", "text": prompt.system}]}
        try:
            shown = self.processor.apply_chat_template(
                [system, {"role": "user", "content": words}], add_generation_prompt=True
            )
        except Exception:
            # templates refuse a system turn by whatever error their author thought of
            shown = ""
        # some templates drop a system turn without a word
        if prompt.system[:40] not in shown:
            words[1] = {"type": "text", "text": f"{prompt.system}\n{prompt.user}"}
            shown = self.processor.apply_chat_template(
                [{"role": "user", "content": words}], add_generation_prompt=True
            )
        return str(shown)


@CAPTIONERS.register("transformers")
def build_transformers(spec: CaptionerSpec) -> TransformersCaptioner:
    """An image-text-to-text model of transformers on this machine (LLaVA-1.5,
    LLaVA-NeXT, Qwen-VL, …).

    Raises:
        ConfigError: If an option does not fit `TransformersOptions`.
        ModelError: If the checkpoint cannot be had.
    """
    return TransformersCaptioner(TransformersOptions.parse(spec.options, where="captioner transformers"))


@hub_closed()
def _load(options: TransformersOptions) -> tuple[Any, Any]:
    import transformers

    models, processors = (
        cast("Any", transformers.AutoModelForImageTextToText),
        cast("Any", transformers.AutoProcessor),
    )
    name, revision = options.checkpoint, options.revision
    # half precision is slow on a processor, which lacks it for some operations
    dtype = getattr(torch, options.dtype) if _device(options.device) != "cpu" else torch.float32
    with checkpoint_errors("vision-language", name):
        model, info = models.from_pretrained(
            name,
            **source(revision),
            use_safetensors=True,
            dtype=dtype,
            trust_remote_code=False,
            output_loading_info=True,
        )
        processor = processors.from_pretrained(name, **source(revision), trust_remote_code=False)
    check_whole("a captioner", name, info, spare=("lm_head.",))
    return model, processor


def _digest(folder: Path) -> str:
    """SHA-256 over what a folder's model is made of: weights, settings, words and templates."""
    found = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in _PARTS:
            with path.open("rb") as stream:
                # made for open files, which its stub describes more narrowly than they are
                content = hashlib.file_digest(stream, "sha256")  # type: ignore[arg-type]
            found.update(f"{path.name} {content.hexdigest()}\n".encode())
    return found.hexdigest()


def _device(name: str) -> str:
    if name != "auto":
        return name
    return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
