"""Makes a tiny, randomly initialised Llama with a tokenizer of its own; runs with the server's Python, not with ours.

The rule: nothing is downloaded. The tokenizer is byte-level and half of its training text is not ASCII, so a sampled token is
often a piece of a character: the server holds it back until the character is whole, and chunks carry several tokens.

    python tiny_llama.py DIRECTORY
"""

import sys
from pathlib import Path

import tokenizers
import torch
import transformers
from tokenizers import decoders, models, pre_tokenizers, trainers

TEXT = (
    "The policy holder reports water damage in the cellar; the assessor asks for photographs and an invoice.",
    "Versicherungsnehmer meldet Überspannungsschaden an der Wärmepumpe, Selbstbeteiligung dreihundert Euro.",
    "L'assuré déclare un dégât des eaux; l'expert propose une indemnité à l'amiable.",
    "보험 계약자가 주차장에서 차량 파손을 신고했습니다.",
    "契約者は地下室の浸水を報告し、査定人は写真と請求書を求めた。",
    "被保险人报告地下室进水, 理赔员要求提供照片和发票。",
)
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
CONTEXT_TOKENS = 8192


def tokenizer() -> transformers.PreTrainedTokenizerFast:
    """A byte-level BPE of 512 tokens, the same on every machine."""
    bpe = tokenizers.Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=512, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(TEXT, trainer)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=bpe, bos_token="<s>", eos_token="</s>", chat_template=CHAT_TEMPLATE
    )


def model(words: transformers.PreTrainedTokenizerFast) -> transformers.LlamaForCausalLM:
    """Two layers of 64, seeded weights, sampling on: it speaks nonsense, at an honest pace."""
    torch.manual_seed(1)
    config = transformers.LlamaConfig(
        vocab_size=len(words),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=CONTEXT_TOKENS,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
    )
    llama = transformers.LlamaForCausalLM(config)
    llama.generation_config.do_sample = True
    return llama


def main(directory: Path) -> None:
    words = tokenizer()
    words.save_pretrained(directory)
    model(words).save_pretrained(directory)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
