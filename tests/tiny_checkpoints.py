"""Random checkpoints of transformers, small enough to build for every run: CLIP, ELECTRA, XLM-R, SigLIP."""

import json
import shutil
from pathlib import Path
from typing import Any


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
    CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}).save_pretrained(
        folder
    )
    return folder


def write_tiny_electra(folder: Path, *, seed: int = 0) -> Path:
    """A random ELECTRA with 2 layers and letters for word pieces, in the layout of transformers."""
    import torch
    from transformers import ElectraConfig, ElectraModel

    torch.manual_seed(seed)
    letters = [chr(i) for i in range(33, 127)]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{c}" for c in letters)]
    config = ElectraConfig(
        vocab_size=len(vocabulary),
        embedding_size=12,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=40,
    )
    model = ElectraModel(config)
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.3)
    model.save_pretrained(folder)
    _fast_tokenizer(vocabulary).save_pretrained(folder)
    return folder


def _fast_tokenizer(vocabulary: list[str]) -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(
        models.WordPiece(
            {token: i for i, token in enumerate(vocabulary)}, unk_token="[UNK]", max_input_chars_per_word=30
        )
    )
    tokenizer.normalizer, tokenizer.pre_tokenizer = (
        normalizers.BertNormalizer(),
        pre_tokenizers.BertPreTokenizer(),
    )
    tokenizer.post_processor = processors.BertProcessing(
        ("[SEP]", vocabulary.index("[SEP]")), ("[CLS]", vocabulary.index("[CLS]"))
    )
    names = {
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "mask_token": "[MASK]",
    }
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


def write_tiny_xlm(folder: Path, *, kind: str = "xlm-roberta", seed: int = 0) -> Path:
    """A random XLM-R, or with `kind="bert"` a BERT with XLM-R's kind of pieces, which multilingual-e5 is; its
    tokenizer is Unigram over a few words and letters.
    """
    import torch
    from transformers import AutoConfig, AutoModel

    letters = [chr(i) for i in range(33, 127)]
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "\u2581", *letters, "\u2581flood", "\u2581in", "\u2581query"]
    torch.manual_seed(seed)
    config = AutoConfig.for_model(
        kind,
        vocab_size=len(pieces),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=40,
        pad_token_id=pieces.index("<pad>"),
    )
    model = AutoModel.from_config(config)
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.3)
    model.save_pretrained(folder)
    _unigram_tokenizer(pieces).save_pretrained(folder)
    return folder


def _unigram_tokenizer(pieces: list[str]) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    scores = [0.0 if piece[0] == "<" and len(piece) > 1 else -float(9 - len(piece)) for piece in pieces]
    tokenizer = Tokenizer(
        models.Unigram(list(zip(pieces, scores, strict=True)), unk_id=pieces.index("<unk>"))
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    ends = [(name, pieces.index(name)) for name in ("<s>", "</s>")]
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
    )


def write_tiny_siglip(folder: Path, *, seed: int = 0) -> Path:
    """A random SigLIP with 2 layers and 16 × 16 pixels, in the layout of transformers."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, SiglipConfig, SiglipImageProcessorPil, SiglipModel

    letters = [chr(i) for i in range(33, 127)]
    vocabulary = ["<unk>", "</s>", *letters]
    sizes = {"intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = SiglipConfig(
        text_config={
            "vocab_size": len(vocabulary),
            "hidden_size": 16,
            "max_position_embeddings": 24,
            "projection_size": 20,
            **sizes,
        },
        vision_config={"hidden_size": 20, "image_size": 16, "patch_size": 8, **sizes},
    )
    torch.manual_seed(seed)
    model = SiglipModel(config)
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.3)
    model.save_pretrained(folder)
    tokenizer = Tokenizer(
        models.WordLevel({token: i for i, token in enumerate(vocabulary)}, unk_token="<unk>")
    )
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split("", "isolated")]
    )
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", eos_token="</s>", pad_token="</s>"
    ).save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": 16, "width": 16}).save_pretrained(folder)
    return folder


def tokens_of_bytes() -> list[str]:
    """The 256 printable characters that stand for bytes in byte-level vocabularies."""
    from tokenizers.pre_tokenizers import ByteLevel

    return sorted(ByteLevel.alphabet())


VILT_WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "*", "flood", "bridge", "is", "down", "##ed", "a"]


def write_tiny_vilt(folder: Path) -> Path:
    """A random checkpoint of ViLT with 4 × 4 patches."""
    import torch
    from transformers import BertTokenizer, ViltConfig, ViltModel

    torch.manual_seed(0)
    config = ViltConfig(
        vocab_size=len(VILT_WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        image_size=32,
        patch_size=8,
        max_position_embeddings=12,
        max_image_length=-1,
        initializer_range=0.3,
    )
    ViltModel(config).save_pretrained(folder, safe_serialization=True)
    (folder / "vocab.txt").write_text("\n".join(VILT_WORDS))
    BertTokenizer(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def changed_settings(folder: Path, copy: Path, changes: dict[str, Any], *, file: str = "config.json") -> Path:
    """A copy of a checkpoint whose file of settings says something else.

    Arguments:
        folder: The checkpoint.
        copy: Where the copy is put.
        changes: The other settings; a setting `part.name` is one inside of a part.
        file: The file of settings.
    """
    shutil.copytree(folder, copy)
    settings = json.loads((copy / file).read_text())
    for key, value in changes.items():
        part, _, name = key.rpartition(".")
        (settings[part] if part else settings)[name] = value
    (copy / file).write_text(json.dumps(settings))
    return copy


def with_a_hole(folder: Path, copy: Path) -> Path:
    """A copy of a checkpoint with one weight that is no number."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(folder, copy)
    weights = load_file(copy / "model.safetensors")
    name = next(name for name in sorted(weights) if weights[name].is_floating_point())
    weights[name].view(-1)[0] = float("nan")
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    return copy


def with_one_piece_more(folder: Path, copy: Path) -> Path:
    """A copy of a checkpoint whose tokenizer knows a word that the model does not."""
    from transformers import AutoTokenizer

    shutil.copytree(folder, copy)
    tokenizer = AutoTokenizer.from_pretrained(copy)
    tokenizer.add_tokens(["levee"])
    tokenizer.save_pretrained(copy)
    return copy
