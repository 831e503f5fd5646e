#!/usr/bin/env bash
# BertNormalizer of tokenizers does not set the first 256 ideographs of CJK extension E apart.
#
# Package:    PyPI tokenizers 0.23.3, beside transformers' own words for the rule (BasicTokenizer of 4.57.1)
# Behaviour:  BERT's rule puts blanks around every character of eight CJK blocks. In the Rust library the last of them begins
#             at U+2B920 in place of U+2B820, so that 256 characters stick to their neighbours; all other blocks are whole.
# Seen:       extension E: 256 without blanks, U+2B820 to U+2B91F; the seven other blocks: 0. BasicTokenizer: 0 of them.
# Guess:      the same characters in both, since the library's tests and its users compare it with the Python code.
# Who is hurt: who trains or serves with one of the two and tokenises names and old texts with the other: a run of such
#             characters is one unknown token here and several there, and lengths differ.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check tokenizers==0.23.3
python3 -m venv old
old/bin/python -m pip install --quiet --disable-pip-version-check transformers==4.57.1
cat > rust.py <<'PY'
from tokenizers.normalizers import BertNormalizer

normalizer = BertNormalizer(clean_text=False, handle_chinese_chars=True, strip_accents=False, lowercase=False)
blocks = {
    "extension A": (0x3400, 0x4DBF),
    "unified": (0x4E00, 0x9FFF),
    "compatibility": (0xF900, 0xFAFF),
    "extension B": (0x20000, 0x2A6DF),
    "extension C": (0x2A700, 0x2B73F),
    "extension D": (0x2B740, 0x2B81F),
    "extension E": (0x2B820, 0x2CEAF),
    "supplement": (0x2F800, 0x2FA1F),
}
for name, (first, last) in blocks.items():
    bare = [c for c in range(first, last + 1) if normalizer.normalize_str(chr(c)) != f" {chr(c)} "]
    print(name, len(bare), hex(bare[0]) if bare else "", hex(bare[-1]) if bare else "")
    assert bare == (list(range(0x2B820, 0x2B920)) if name == "extension E" else []), name
PY
cat > python.py <<'PY'
from transformers.models.bert.tokenization_bert import BasicTokenizer

rule = BasicTokenizer()._is_chinese_char
bare = [c for c in range(0x2B820, 0x2CEB0) if not rule(c)]
print("BasicTokenizer", len(bare))
assert bare == []
PY
venv/bin/python rust.py
old/bin/python python.py 2>/dev/null
echo "as described"
