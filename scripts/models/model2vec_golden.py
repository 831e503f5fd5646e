"""Vectors of model2vec for texts that it cuts, and for words that it does not know: test/embed/model2vec_golden.json.

Run with the PyPI package model2vec 0.10.0: python scripts/models/model2vec_golden.py
"""

import json
import pathlib

import numpy as np
from model2vec import StaticModel
from tokenizers import Tokenizer, models, pre_tokenizers

WORDS = ["[PAD]", "[UNK]", *[f"word{i}" for i in range(6)], "abcdefgh", "longerwordshere", "x"]
TEXTS = [
    "word0 word1",
    "word0 " * 20 + "x " * 20,
    "longerwordshere " * 8 + "x x x",
    " " * 60 + "word1 word2",
    "word3 nothing word4 ???",
    "",
    "日本 x",
    "𠀀" * 30 + " x word1",
    "x " * 400 + "word5 " * 600,
]

tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
table = np.random.default_rng(3).standard_normal((len(WORDS), 8)).astype(np.float32)
vectors = {}
for length in [2, 8, 512, None]:
    model = StaticModel(table, tokenizer, max_length=length)
    vectors[str(length)] = [[round(float(value), 7) for value in row] for row in model.encode(TEXTS)]
golden = {"words": WORDS, "texts": TEXTS, "table": table.tolist(), "vectors": vectors}
file = pathlib.Path(__file__).parents[2] / "test" / "embed" / "model2vec_golden.json"
file.write_text(json.dumps(golden, ensure_ascii=True, indent=2) + "\n")
