#!/usr/bin/env bash
# transformers 5 pads Gemma's texts on the left, and a folder that it saves does not say so.
#
# Package:    PyPI transformers 5.24.0 with tokenizers 0.23.3 (no torch)
# Behaviour:  GemmaTokenizer has padding_side "left" by its class. save_pretrained() writes padding_side neither into
#             tokenizer_config.json nor into tokenizer.json. Whoever reads tokenizer.json with the library that it is made
#             for pads on the right.
# Seen:       padding_side left; saved: None and None; AutoTokenizer [[0, 4], [4, 4]], tokenizers [[4, 0], [4, 4]].
# Guess:      right, as nearly all classes; and that a side which is not the usual one is written into the folder.
# Who is hurt: exports without an attention mask whose text tower has this tokenizer (SigLIP 2): padding enters the vector, and
#             in Rust, JavaScript and Go it stands on the other side: of a small model of that kind 67 of 128 texts had
#             another vector (cosines of .78 to .91 among those looked at).
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check transformers==5.24.0 tokenizers==0.23.3
cat > pads.py <<'PY'
import json

from tokenizers import Tokenizer
from transformers import AutoTokenizer, GemmaTokenizer

made = GemmaTokenizer(vocab={"<pad>": 0, "<eos>": 1, "<bos>": 2, "<unk>": 3, "a": 4, "▁": 5}, merges=[])
made.save_pretrained("saved")
with open("saved/tokenizer_config.json") as file:
    side = json.load(file).get("padding_side")
with open("saved/tokenizer.json") as file:
    padding = json.load(file)["padding"]
auto = AutoTokenizer.from_pretrained("saved")(["a", "aa"], padding=True)["input_ids"]
plain = Tokenizer.from_file("saved/tokenizer.json")
plain.enable_padding()
other = [one.ids for one in plain.encode_batch(["a", "aa"])]
print("padding_side", made.padding_side, "saved", side, padding, "AutoTokenizer", auto, "tokenizers", other)
assert made.padding_side == "left" and side is None and padding is None
assert auto == [[0, 4], [4, 4]] and other == [[4, 0], [4, 4]]
PY
venv/bin/python pads.py 2>/dev/null
echo "as described"
