"""From words to pieces: places of words, spelling, markers, contexts, and what does not fit."""

import pytest
import torch

from crisislens.core.errors import DataError
from crisislens.domain.extraction import Mention
from crisislens.encoders.language import LanguageEncoder, LanguageSpec, load_language
from crisislens.features.words import WordReader, collate_words, word_shape
from tiny_language import write_tiny_bert


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> LanguageEncoder:
    return load_language(
        LanguageSpec(checkpoint=str(write_tiny_bert(tmp_path_factory.mktemp("bert"))), max_tokens=16)
    )


def pieces(encoder: LanguageEncoder, ids: tuple[int, ...]) -> list[str]:
    from transformers import AutoTokenizer

    return list(AutoTokenizer.from_pretrained(encoder.model.name_or_path).convert_ids_to_tokens(ids))


def test_words_pieces_and_context(encoder: LanguageEncoder) -> None:
    read = WordReader(encoder, pieces_a_word=2).read(
        ["Flood", "xyz", "https://t.co/abc"], context="water in Paris"
    )
    assert pieces(encoder, read.ids) == ["[CLS]", "flood", "x", "##y", "http", "[SEP]"]
    assert read.starts == (1, 2, 4)
    assert read.shapes == (0, 8, 10, 10, 1, 0)
    assert pieces(encoder, read.context_ids) == ["[CLS]", "water", "in", "paris", "[SEP]"]
    assert read.context_start == len(read.ids)


def test_joint_sequences_hold_the_context_behind_the_text(encoder: LanguageEncoder) -> None:
    reader = WordReader(encoder, joint=True, context_pieces=2)
    with_context, without = reader.read(["flood"], context="water in Paris"), reader.read(["flood"])
    assert pieces(encoder, with_context.ids) == ["[CLS]", "flood", "[SEP]", "water", "in", "[SEP]"]
    batch = collate_words([with_context, without], pad_id=0)
    assert batch.text_mask.tolist() == [[True] * 3 + [False] * 3] * 2
    assert batch.mask.tolist() == [[True] * 6, [True] * 3 + [False] * 3]
    assert not batch.context_mask.any()


def test_markers_stand_around_head_and_tail(encoder: LanguageEncoder) -> None:
    reader = WordReader(encoder)
    read = reader.read(
        ["anna", "visits", "paris", "today"], pair=(Mention(2, 4, "LOC"), Mention(0, 1, "PER"))
    )
    assert pieces(encoder, read.ids) == (
        [
            "[CLS]",
            "[unused2]",
            "anna",
            "[unused3]",
            "visits",
            "[unused0]",
            "paris",
            "today",
            "[unused1]",
            "[SEP]",
        ]
    )
    assert read.ends == (5, 1)
    assert read.starts == (2, 4, 6, 7)
    overlapping = reader.read(["anna", "visits"], pair=(Mention(0, 2, "PER"), Mention(0, 1, "PER")))
    assert pieces(encoder, overlapping.ids) == [
        "[CLS]",
        "[unused0]",
        "[unused2]",
        "anna",
        "[unused3]",
        "visits",
        "[unused1]",
        "[SEP]",
    ]


def test_markers_of_a_packaged_vocabulary_are_its_unused_pieces() -> None:
    encoder = load_language(LanguageSpec())
    read = WordReader(encoder).read(
        ["anna", "visits", "paris"], pair=(Mention(0, 1, "PER"), Mention(2, 3, "LOC"))
    )
    marks = [encoder.piece_id(f"[unused{i}]") for i in range(4)]
    assert None not in marks
    assert [read.ids[1], read.ids[3], read.ids[5], read.ids[7]] == marks


def test_markers_of_a_vocabulary_without_unused_pieces_are_no_special_ones(
    encoder: LanguageEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = int(encoder.model.get_input_embeddings().weight.shape[0])
    monkeypatch.setattr(encoder, "piece_id", lambda piece: rows - 1 if piece == "<mask>" else None)
    read = WordReader(encoder).read(
        ["anna", "visits", "paris"], pair=(Mention(0, 1, "PER"), Mention(2, 3, "LOC"))
    )
    marks = [read.ids[1], read.ids[3], read.ids[5], read.ids[7]]
    assert len(set(marks)) == 4
    assert not set(marks) & {rows - 1, read.ids[0], read.ids[-1], encoder.pad_id}


def test_what_does_not_fit(encoder: LanguageEncoder) -> None:
    reader = WordReader(encoder)
    long = reader.read(["flood"] * 40)
    assert len(long.ids) == 16
    assert len(long.starts) == 14
    with pytest.raises(DataError, match="behind"):
        reader.read(["flood"] * 40, pair=(Mention(0, 1, ""), Mention(30, 31, "")))
    with pytest.raises(DataError, match="without words"):
        reader.read([])
    # a word of nothing but blanks still has its place
    assert len(reader.read(["\u00a0", "flood"]).starts) == 2


def test_batches_pad_at_the_end_and_keep_absent_pictures_out(encoder: LanguageEncoder) -> None:
    reader = WordReader(encoder)
    posts = [reader.read(["flood", "in", "paris"], context="water"), reader.read(["help"])]
    batch = collate_words(posts, pad_id=0, images=[None, torch.ones(2, 3)], image_width=3)
    assert batch.mask.sum(1).tolist() == [5, 3]
    assert batch.word_mask.tolist() == [[True] * 3, [True, False, False]]
    assert batch.context_mask.any(1).tolist() == [True, False]
    assert batch.image_mask.any(1).tolist() == [False, True]
    assert batch.ends.shape == (2, 0)
    alone = collate_words(posts[1:], pad_id=0, images=[torch.ones(2, 3)], image_width=3)
    assert torch.equal(alone.ids[0], batch.ids[1, :3])
    assert batch.select(torch.tensor([1])).image_mask.tolist() == [[True, True]]


def test_every_kind_of_spelling_is_in_the_table() -> None:
    words = ("http…", "@who", "#tag", "12", "!", "USA", "A", "Paris", "McDonald", "rain", "iPhone")
    assert [word_shape(word) for word in words] == list(range(1, 12))
