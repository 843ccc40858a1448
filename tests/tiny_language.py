"""A BERT checkpoint and a ViT and a ResNet on disk that are small enough to build for every run, and made-up
posts with entities.
"""

import random
from pathlib import Path

from crisislens.domain.extraction import AnnotatedPost, Link, Mention

_PEOPLE, _PLACES = ("anna", "bob", "carla", "dinesh"), ("paris", "quito", "dhaka", "ponce")
_OTHER = ("flood", "hits", "in", "visits", "the", "bridge", "water", "today", "help")


def write_tiny_bert(folder: Path, *, seed: int = 0) -> Path:
    """A random BERT of 2 layers and 16 components whose vocabulary is single letters and a few words, in the
    layout of transformers.
    """
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    special = ["[PAD]", *(f"[unused{i}]" for i in range(4)), "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)] + list("0123456789@#.,!:;&/'\"-")
    vocabulary = [*special, *_PEOPLE, *_PLACES, *_OTHER, "http", *letters, *(f"##{x}" for x in letters)]
    ids = {token: i for i, token in enumerate(dict.fromkeys(vocabulary))}
    tokenizer = Tokenizer(models.WordPiece(vocab=ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])]
    )
    names = {
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "mask_token": "[MASK]",
    }
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, **names, additional_special_tokens=special[1:5]
    )
    wrapped.save_pretrained(folder)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(ids),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    model = BertModel(config, add_pooling_layer=True)
    for name, p in model.named_parameters():
        # a layer norm of small weights would let hardly anything through
        if "LayerNorm" not in name:
            torch.nn.init.normal_(p, std=0.15)
    model.save_pretrained(folder)
    return folder


def made_up_posts(count: int, *, seed: int = 0, split: str = "train") -> list[AnnotatedPost]:
    """Posts whose entities can be told by their words: a person who visits a place, or a flood in one."""
    draw = random.Random(seed)
    posts = []
    for i in range(count):
        person, place = draw.choice(_PEOPLE), draw.choice(_PLACES)
        fill = [draw.choice(("today", "help", "water")) for _ in range(draw.randint(0, 3))]
        if draw.random() < 0.5:
            words = [*fill, person.title(), "visits", place.title()]
            mentions = (
                Mention(len(fill), len(fill) + 1, "PER"),
                Mention(len(fill) + 2, len(fill) + 3, "LOC"),
            )
            links = (Link(0, 1, "/per/loc/place_of_residence"),)
        else:
            words = ["flood", "in", place.title(), "the", person.title(), *fill]
            mentions = (Mention(2, 3, "LOC"), Mention(4, 5, "PER"))
            links = (Link(1, 0, "None"),)
        posts.append(
            AnnotatedPost(
                id=f"{split}-{i}",
                words=tuple(words),
                mentions=mentions,
                links=links,
                image=f"{split}_{i}",
                split=split,
            )
        )
    return posts
