"""Embeds texts: a JSON array on stdin, raw little-endian f32 rows on stdout.

The model is wordllama's l2_supercat, 256 dims, trained as a Matryoshka model. Weights
and tokenizer are those inside the installed package; nothing is downloaded.
"""

import json
import sys
from pathlib import Path

import numpy as np
import wordllama
from wordllama import WordLlama

DIM = 256
STEP = 500


def main():
    texts = json.load(sys.stdin)
    # The loader looks for `tokenizer/`, the package has `tokenizers/`, as in its cache layout.
    model = WordLlama.load(dim=DIM, cache_dir=Path(wordllama.__file__).parent, disable_download=True)
    model.tokenizer.no_padding()
    for start in range(0, len(texts), STEP):
        sys.stdout.buffer.write(embed(model, texts[start : start + STEP]).astype("<f4").tobytes())
        print(f"done {min(start + STEP, len(texts))}", file=sys.stderr, flush=True)
    sys.stdout.buffer.flush()


def embed(model, texts):
    """The rows of model.embed() with one text at a time: padding would make the last bits depend on the neighbours.

    Texts of as many tokens are pooled together, which needs no padding; one call a text takes a millisecond.
    """
    rows = np.empty((len(texts), DIM), dtype=np.float32)
    by_length = {}
    for i, encoded in enumerate(model.tokenize(texts)):
        by_length.setdefault(len(encoded.ids), []).append((i, encoded.ids))
    for length, some in by_length.items():
        ids = np.array([ids for _, ids in some], dtype=np.int32).reshape(len(some), length)
        np.clip(ids, 0, model.embedding.shape[0] - 1, out=ids)
        rows[[i for i, _ in some]] = model.avg_pool(model.embedding[ids], np.ones(ids.shape, dtype=np.float32))
    return rows


main()
