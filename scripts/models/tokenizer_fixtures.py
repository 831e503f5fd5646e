"""Small tokenizers of every kind of step, and the ids that Python gives for texts of 25 scripts: test/embed/tokenizer_fixtures.json.gz.

Run with the PyPI package tokenizers 0.23.3 (sentencepiece 0.2.1 and protobuf for the map of characters):
python scripts/models/tokenizer_fixtures.py
"""

import base64
import gzip
import io
import json
import pathlib
import random

from tokenizers import Tokenizer

RANDOM = random.Random(18)
SCRIPTS = [
    "a hotel in Zürich", "café in München, naïve", "ΟΔΥΣΣΕΥΣ ΣΑΣ Σ", "русский ЁЙ", "日本語 東京都", "ひらがな カタカナ ー",
    "ｱｲｳｶﾞ ﾊﾟ ＡＢＣ", "한국어 가나다", "\u1100\u1161\u11a8", "עברית שלום", "العربية الف", "हिन्दी में", "ไทยคำ", "ខ្មែរ", "မြန်မာ",
    "বাংলা", "தமிழ்", "తెలుగు", "ქართული", "Հայերեն", "አማርኛ", "ᏣᎳᎩ", "ᠮᠣᠩᠭᠣᠯ", "བོད་སྐད", "සිංහල", "𠀀𠀁 𫠠 𫤠", "𝔘𝔫𝔦 𐍈",
]
OTHERS = [
    "", " ", "  two  spaces ", "\ttab\nline\r\n", "\u00a0\u3000\u2003", "\u0085x\u0085", "\ufeffbom\ufeff", "\u001c\u001d\u001e\u001f",
    "İstanbul ıssız ß ẞ ſ ŉ", "ﬁ ﬂ ½ ² ™ ㎏ Ⅷ ٣", "👍🏽 👩🏿‍🚀 🇩🇪🇫🇷", "a\u0301\u0302e\u0345", "x\u1ab0y \u07fd", "\u200b\u200d\u00ad soft",
    "\u0000nul\ufffd\ue000", "don't we'll I'M they'VE", "def f(x): return x**2  # code_1", "2024-01-31 3.14 1,000", "$& $1 $$ {} []",
    "<s>in</s> [MASK]d  [MASK] tok toks Tok", "<unk> <0x0A> ##ing ▁ ▁▁", "new york, New York", "〜～ ー-–—", "x" * 120, "word " * 40,
]
TEXTS = [*SCRIPTS, *OTHERS]
for _ in range(40):
    some = RANDOM.sample([part for text in TEXTS for part in text.split(" ")][:180], RANDOM.randint(2, 7))
    TEXTS.append(RANDOM.choice(["", " ", ""]) + RANDOM.choice([" ", "", "  "]).join(some) + RANDOM.choice(["", " ", "\n"]))

CHARACTERS = sorted({c for text in TEXTS for c in text})


def charsmap() -> str:
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2

    model = io.BytesIO()
    lines = iter([f"line {i} of some text" for i in range(200)])
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=lines, model_writer=model, vocab_size=40, normalization_rule_name="nmt_nfkc", minloglevel=2
    )
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(model.getvalue())
    return base64.b64encode(proto.normalizer_spec.precompiled_charsmap).decode()


def alphabet() -> list[str]:
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in printable]
    return [chr(b) if b in printable else chr(256 + rest.index(b)) for b in range(256)]


BYTES = alphabet()
PIECES = sorted({c for c in CHARACTERS if RANDOM.random() < 0.7} | {w for t in TEXTS for w in t.split() if RANDOM.random() < 0.3})
LOWER = sorted({piece.lower() for piece in PIECES} | set(PIECES))


def words(unknown: str | None) -> dict:
    names = [*([unknown] if unknown else []), *LOWER]
    return {"type": "WordLevel", "unk_token": unknown or "<unk>", "vocab": {name: i for i, name in enumerate(names)}}


def wordpiece() -> dict:
    names = ["[UNK]", *LOWER, *["##" + piece for piece in LOWER]]
    vocab = {name: i for i, name in enumerate(dict.fromkeys(names))}
    prefix = {"unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100}
    return {"type": "WordPiece", **prefix, "vocab": vocab}


def unigram(fallback: bool) -> dict:
    draw = random.Random(5)
    tokens = [f"<0x{b:02X}>" for b in range(256)] if fallback else []
    pieces = dict.fromkeys(["<unk>", *tokens, "▁", *LOWER, *["▁" + piece for piece in LOWER]])
    return {"type": "Unigram", "unk_id": 0, "vocab": [[p, -draw.randint(4, 60) / 4] for p in pieces], "byte_fallback": fallback}


def bpe(level: str, **more) -> dict:
    """level: 'bytes' of the byte-level alphabet, or 'characters'."""
    draw = random.Random(7)
    texts = [" ".join(t.split()) for t in TEXTS]
    split = (lambda t: [BYTES[b] for b in t.encode()]) if level == "bytes" else (lambda t: list(t.replace(" ", "▁")))
    base = BYTES if level == "bytes" else sorted({c for t in texts for c in split(t)} - set("ქსб"))
    tokens = [f"<0x{b:02X}>" for b in range(256)] if more.get("byte_fallback") else []
    suffix = more.get("end_of_word_suffix") or ""
    vocab = dict.fromkeys(["<unk>", *tokens, *base, *([c + suffix for c in base] if suffix else [])])
    merges = []
    lines = [split(t) for t in texts]
    for _ in range(150):
        line = draw.choice([l for l in lines if len(l) > 1])
        at = draw.randrange(len(line) - 1)
        left, right = line[at], line[at + 1]
        if suffix and draw.random() < 0.3:
            right += suffix
        if left not in vocab or right not in vocab or [left, right] in merges:
            continue
        merges.append([left, right])
        vocab[left + right] = None
        for l in lines:
            for i in range(len(l) - 2, -1, -1):
                if [l[i], l[i + 1]] == [left, right]:
                    l[i : i + 2] = [left + right]
    ids = {token: i for i, token in enumerate(vocab)}
    usual = {"dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None, "end_of_word_suffix": None}
    return {"type": "BPE", **usual, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, "vocab": ids, "merges": merges, **more}


def added(content: str, **more) -> dict:
    usual = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"content": content, **usual, **more}


GPT4 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CLIP = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def bert(**more) -> dict:
    return {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True, **more}


def metaspace(scheme: str = "always", split: bool = True) -> dict:
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split}


def bytelevel(space: bool, regex: bool = True) -> dict:
    return {"type": "ByteLevel", "add_prefix_space": space, "trim_offsets": True, "use_regex": regex}


def replace(pattern: dict, content: str) -> dict:
    return {"type": "Replace", "pattern": pattern, "content": content}


def regex(pattern: str, behavior: str, invert: bool = False) -> dict:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert}


def all_of(kind: str, *steps: dict) -> dict:
    return {"type": "Sequence", kind: list(steps)}


MASKS = [added("[MASK]", lstrip=True), added("<s>"), added("</s>")]
SINGLE = [added("tok", single_word=True, special=False, normalized=True), added("Zürich", single_word=True), added("new york", rstrip=True)]
MAP = {"type": "Precompiled", "precompiled_charsmap": charsmap()}
T5 = all_of("pretokenizers", {"type": "WhitespaceSplit"}, metaspace())

PIPELINES = {
    "BERT": (bert(), {"type": "BertPreTokenizer"}, wordpiece(), MASKS),
    "BERT with case": (bert(lowercase=False), {"type": "BertPreTokenizer"}, wordpiece(), MASKS),
    "BERT that keeps accents": (bert(strip_accents=False), {"type": "BertPreTokenizer"}, wordpiece(), MASKS),
    "RoBERTa": (None, bytelevel(False), bpe("bytes"), [added("<mask>", lstrip=True)]),
    "RoBERTa with a space before": (None, bytelevel(True), bpe("bytes"), MASKS),
    "Qwen": ({"type": "NFC"}, all_of("pretokenizers", regex(GPT4, "Isolated"), bytelevel(False, False)), bpe("bytes", ignore_merges=True), MASKS),
    "CLIP": (
        all_of("normalizers", {"type": "NFC"}, replace({"Regex": r"\s+"}, " "), {"type": "Lowercase"}),
        all_of("pretokenizers", regex(CLIP, "Removed", True), bytelevel(False)),
        bpe("bytes", end_of_word_suffix="</w>"),
        MASKS,
    ),
    "Llama": (
        all_of("normalizers", {"type": "Prepend", "prepend": "▁"}, replace({"String": " "}, "▁")),
        None,
        bpe("characters", byte_fallback=True, fuse_unk=True),
        MASKS,
    ),
    "Mistral": (None, metaspace("first", False), bpe("characters", byte_fallback=True, fuse_unk=True), MASKS),
    "Gemma": (
        replace({"String": " "}, "▁"),
        {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False},
        bpe("characters", byte_fallback=True, fuse_unk=True),
        MASKS,
    ),
    "XLM-R": (MAP, T5, unigram(False), MASKS),
    "Unigram with byte fallback": (None, metaspace(), unigram(True), MASKS),
    "Unigram of whole texts": (MAP, metaspace("always", False), unigram(False), []),
    "ALBERT": (
        all_of("normalizers", replace({"String": "``"}, '"'), {"type": "NFKD"}, {"type": "StripAccents"}, {"type": "Lowercase"}, MAP),
        T5,
        unigram(False),
        MASKS,
    ),
    "words at \\w": ({"type": "Lowercase"}, {"type": "Whitespace"}, words("[UNK]"), []),
    "words and single words": (None, {"type": "Whitespace"}, words("[UNK]"), SINGLE),
    "single words in BERT": (bert(), {"type": "BertPreTokenizer"}, wordpiece(), SINGLE),
    "digits and punctuation": (
        all_of("normalizers", {"type": "Nmt"}, {"type": "NFKC"}, replace({"Regex": r" {2,}"}, " "), {"type": "Strip", "strip_left": True, "strip_right": True}),
        all_of("pretokenizers", {"type": "Digits", "individual_digits": True}, {"type": "Punctuation", "behavior": "Contiguous"}, {"type": "WhitespaceSplit"}),
        wordpiece(),
        [],
    ),
    "fixed lengths": ({"type": "NFD"}, {"type": "FixedLength", "length": 3}, bpe("characters"), []),
    "no step at all": (None, None, unigram(True), []),
    "a byte-level normaliser": ({"type": "ByteLevel"}, regex(" ?[^ ]+", "Isolated"), bpe("bytes"), []),
}


def main() -> None:
    around = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "B", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {"A": {"id": "A", "ids": [1], "tokens": ["A"]}, "B": {"id": "B", "ids": [2, 3], "tokens": ["B", "B"]}},
    }
    out = {"texts": TEXTS, "charsmap": MAP["precompiled_charsmap"], "pipelines": {}}
    for name, (normalizer, pre, model, tokens) in PIPELINES.items():
        size = len(model["vocab"])
        file = {
            "version": "1.0",
            "added_tokens": [{"id": size + i, **token} for i, token in enumerate(tokens)],
            "normalizer": normalizer,
            "pre_tokenizer": pre,
            "post_processor": around,
            "decoder": None,
            "model": model,
        }
        tokenizer = Tokenizer.from_str(json.dumps(file))
        ids = [tokenizer.encode(text).ids for text in TEXTS]
        shown = json.loads(json.dumps(file).replace(json.dumps(MAP["precompiled_charsmap"]), '"the map"'))
        out["pipelines"][name] = {"json": shown, "ids": ids}
    text = json.dumps(out, ensure_ascii=True, separators=(",", ":"))
    file = pathlib.Path(__file__).parents[2] / "test" / "embed" / "tokenizer_fixtures.json.gz"
    file.write_bytes(gzip.compress(text.encode(), mtime=0))


main()
