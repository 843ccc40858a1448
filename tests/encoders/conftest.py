"""A CLIP checkpoint on disk that is small enough to build for every run, and one pair of each registered encoder."""

from pathlib import Path

import pytest

from crisislens.encoders.base import EncoderPair, EncoderSpec, load_encoders

CASES = ("compact", "hashing", "clip")


def write_tiny_clip(folder: Path, *, seed: int = 0) -> Path:
    """A random CLIP with 2 layers, 16 × 16 pixels and byte tokens, in the layout of transformers."""
    import torch
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

    letters = tokens_of_bytes()
    vocabulary = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    config = CLIPConfig(
        text_config={
            "vocab_size": len(vocabulary),
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "max_position_embeddings": 24,
            "bos_token_id": len(vocabulary) - 2,
            "eos_token_id": len(vocabulary) - 1,
            "pad_token_id": len(vocabulary) - 1,
        },
        vision_config={
            "hidden_size": 20,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 16,
            "patch_size": 8,
        },
        projection_dim=12,
    )
    torch.manual_seed(seed)
    model = CLIPModel(config)
    for p in model.parameters():
        # CLIP's own initialization is so small that every output would be nearly zero
        torch.nn.init.normal_(p, std=0.3)
    model.save_pretrained(folder)
    CLIPTokenizer(vocab={token: i for i, token in enumerate(vocabulary)}, merges=[]).save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}).save_pretrained(folder)
    return folder


def tokens_of_bytes() -> list[str]:
    """The 256 printable characters that stand for bytes in byte-level vocabularies."""
    from tokenizers.pre_tokenizers import ByteLevel

    return sorted(ByteLevel.alphabet())


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="session")
def specs(tiny_clip: Path) -> dict[str, EncoderSpec]:
    return {
        "compact": EncoderSpec(name="compact"),
        "hashing": EncoderSpec(name="hashing"),
        "clip": EncoderSpec(name="clip", options={"checkpoint": str(tiny_clip)}),
    }


@pytest.fixture(scope="session")
def loaded(specs: dict[str, EncoderSpec]) -> dict[str, EncoderPair]:
    """Loaded once; a test that changes an encoder copies it first."""
    return {name: load_encoders(spec) for name, spec in specs.items()}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def pair(case: str, loaded: dict[str, EncoderPair]) -> EncoderPair:
    return loaded[case]
