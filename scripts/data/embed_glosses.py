"""Embeds texts: a JSON array on stdin, raw little-endian f32 rows on stdout.

The model is wordllama's l2_supercat, 256 dims, trained as a Matryoshka model. Weights
and tokenizer are those inside the installed package; nothing is downloaded.
"""

import json
import sys
from pathlib import Path

import wordllama
from wordllama import WordLlama

DIM = 256
STEP = 500


def main():
    texts = json.load(sys.stdin)
    # The loader looks for `tokenizer/`, the package has `tokenizers/`, as in its cache layout.
    model = WordLlama.load(dim=DIM, cache_dir=Path(wordllama.__file__).parent, disable_download=True)
    for start in range(0, len(texts), STEP):
        # One text a batch: padding would make the last bits depend on the neighbours.
        rows = model.embed(texts[start : start + STEP], norm=False, batch_size=1)
        sys.stdout.buffer.write(rows.astype("<f4").tobytes())
        print(f"done {min(start + STEP, len(texts))}", file=sys.stderr, flush=True)
    sys.stdout.buffer.flush()


main()
