"""A random LLaVA checkpoint on disk that is small enough to build for every run."""

from pathlib import Path

from tiny_checkpoints import tokens_of_bytes


def write_tiny_llava(folder: Path, *, template: str | None = None, seed: int = 0) -> Path:
    """A random LLaVA with 2 layers on each side, 16 × 16 pixels and byte tokens, in the layout of
    transformers.

    Arguments:
        folder: Where it is written.
        template: Its chat template; None for none.
        seed: Of the weights.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import (
        CLIPImageProcessorPil,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
        PreTrainedTokenizerFast,
    )

    vocabulary = {token: i for i, token in enumerate(["<unk>", "<s>", "</s>", "<image>", *tokens_of_bytes()])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer, tokenizer.decoder = (
        pre_tokenizers.ByteLevel(add_prefix_space=False),
        decoders.ByteLevel(),
    )
    names = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<unk>"}
    words = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, additional_special_tokens=["<image>"], **names
    )
    sizes = {"intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=16, image_size=16, patch_size=8, projection_dim=16, **sizes
        ),
        text_config=LlamaConfig(
            vocab_size=len(vocabulary),
            hidden_size=16,
            num_key_value_heads=2,
            max_position_embeddings=2048,
            pad_token_id=0,
            **sizes,
        ),
        image_token_index=vocabulary["<image>"],
        vision_feature_select_strategy="default",
        vision_feature_layer=-1,
    )
    torch.manual_seed(seed)
    model = LlavaForConditionalGeneration(config)
    for name, p in model.named_parameters():
        if "norm" not in name:
            torch.nn.init.normal_(p, std=0.3)
    model.save_pretrained(folder)
    LlavaProcessor(
        image_processor=CLIPImageProcessorPil(
            size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}
        ),
        tokenizer=words,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template,
    ).save_pretrained(folder)
    return folder
