#!/usr/bin/env bash
# encode_document() of sentence-transformers takes no "passage" or "corpus" prompt, against its docstring.
#
# Package:    PyPI sentence-transformers 6.2.0 with transformers 5.24.0 and torch 2.15.0 (some 5 GB are installed)
# Behaviour:  The docstring says that the first of "document", "passage" and "corpus" among the model's prompts is taken. A
#             model has "document" always, as an empty text where nobody gave one, so that the others are never reached,
#             neither before it is saved nor after it is loaded.
# Seen:       as with prompt_name "passage": in memory False, loaded False; as without a prompt: True;
#             prompts {'query': '', 'document': '', 'passage': 'passage '}.
# Guess:      the vector of prompt_name "passage", as the docstring says.
# Who is hurt: whoever uses a model of the E5 kind, whose folder names its prompts "query" and "passage", and moves from
#             encode(prompt_name="passage") to encode_document(): documents lose their prompt without a word, queries keep theirs.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check sentence-transformers==6.2.0 transformers==5.24.0 torch==2.15.0
cat > prompts.py <<'PY'
import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import StaticEmbedding
from tokenizers import Tokenizer, models, pre_tokenizers

words = {word: i for i, word in enumerate(["[UNK]", "passage", "one", "two", "three"])}
tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
torch.manual_seed(1)
made = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=8)], prompts={"passage": "passage "})
made.save_pretrained("saved")
loaded = SentenceTransformer("saved")


def same(a, b):
    return bool(np.allclose(a, b))


text = "one two"
in_memory = same(made.encode_document(text), made.encode(text, prompt_name="passage"))
with_prompt = same(loaded.encode_document(text), loaded.encode(text, prompt_name="passage"))
without = same(loaded.encode_document(text), loaded.encode(text))
print("in memory", in_memory, "loaded", with_prompt, "loaded, no prompt", without, loaded.prompts)
assert "passage" in SentenceTransformer.encode_document.__doc__
assert not in_memory and not with_prompt and without
PY
venv/bin/python prompts.py 2>/dev/null
echo "as described"
