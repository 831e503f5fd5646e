"""Ids that transformers 5 gives for folders whose tokenizer_config.json and tokenizer.json disagree:
test/embed/tokenizer_settings.json.gz.

Run with the PyPI packages transformers 5.24.0 and tokenizers 0.23.3: python scripts/models/tokenizer_settings.py
"""

import gzip
import json
import os
import pathlib
import tempfile

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
from transformers import AutoTokenizer

HERE = pathlib.Path(__file__).parents[2] / "test" / "embed"
FIXTURES = json.loads(gzip.decompress((HERE / "tokenizer_fixtures.json.gz").read_bytes()))
TEXTS = FIXTURES["texts"][:72] + ["Hello [SEP] world", "[CLS] x [MASK]  y", "a <mask> b</s>", "<s> a [mask]"]


def file(name: str, specials: list[str]) -> dict:
    """Steps of a fixture, with special tokens in its vocabulary."""
    text = json.dumps(FIXTURES["pipelines"][name]["json"]).replace('"the map"', json.dumps(FIXTURES["charsmap"]))
    made = json.loads(text)
    vocab = made["model"]["vocab"]
    if isinstance(vocab, list):
        names = [name for name, _ in vocab if name not in specials]
        scores = dict(map(tuple, vocab))
        made["model"]["vocab"] = [[name, scores.get(name, 0.0)] for name in [*specials, *names]]
        made["model"]["unk_id"] = specials.index("<unk>")
        ids = {name: i for i, (name, _) in enumerate(made["model"]["vocab"])}
    else:
        names = [name for name in vocab if name not in specials]
        ids = made["model"]["vocab"] = {name: i for i, name in enumerate([*specials, *names])}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    lstrip = {"<mask>": True}
    made["added_tokens"] = [{"id": ids[s], "content": s, **flags, "lstrip": lstrip.get(s, False)} for s in specials]
    return made


def around(made: dict, first: str | None, last: str | None) -> dict:
    ids = {token["content"]: token["id"] for token in made["added_tokens"]}
    tokens = [token for token in (first, last) if token]
    piece = lambda token: {"SpecialToken": {"id": token, "type_id": 0}}
    single = [*([piece(first)] if first else []), {"Sequence": {"id": "A", "type_id": 0}}, *([piece(last)] if last else [])]
    special = {token: {"id": token, "ids": [ids[token]], "tokens": [token]} for token in tokens}
    pair = [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}]
    made["post_processor"] = {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": special}
    return made


BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
XLMR = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
MPNET = ["<s>", "<pad>", "</s>", "[UNK]", "<mask>"]
GPT = ["<|endoftext|>"]
CLIP = ["<|startoftext|>", "<|endoftext|>"]
GEMMA = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
LLAMA = ["<unk>", "<s>", "</s>"]

uncased = around(file("BERT", BERT), "[CLS]", "[SEP]")
cased = around(file("BERT with case", BERT), "[CLS]", "[SEP]")
mpnet = around(file("BERT with case", MPNET), "<s>", "</s>")
roberta = around(file("RoBERTa", XLMR), "<s>", "</s>")
spaced = around(file("RoBERTa with a space before", XLMR), "<s>", "</s>")
qwen = around(file("Qwen", GPT), None, "<|endoftext|>")
qwen["model"]["unk_token"] = None
clip = around(file("CLIP", CLIP), *CLIP)
clip["model"]["unk_token"] = "<|endoftext|>"
plain_clip = {**clip, "normalizer": None}
xlmr = around(file("XLM-R", XLMR), "<s>", "</s>")
loose = around(file("Unigram of whole texts", XLMR), "<s>", "</s>")
t5 = around(file("XLM-R", ["<pad>", "</s>", "<unk>"]), None, "</s>")
gemma = around(file("Gemma", GEMMA), "<bos>", "<eos>")
llama = around(file("Llama", LLAMA), "<s>", None)
mistral = around(file("Mistral", LLAMA), "<s>", None)

def a_piece(made: dict) -> str:
    return next(piece for piece in made["model"]["vocab"] if len(piece) > 2 and piece.isascii() and piece.isalpha())


def decoder(made: dict, content: str, **flags) -> dict:
    one = next(token for token in made["added_tokens"] if token["content"] == content)
    return {str(one["id"]): {key: value for key, value in {**one, **flags}.items() if key != "id"}}


NAMES = {"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]"}
BOS = {"bos_token": "<s>", "eos_token": "</s>"}
FOLDERS = {
    "BertTokenizer over a file with case": (cased, {"tokenizer_class": "BertTokenizer"}, {"model_type": "bert"}),
    "do_lower_case false over a file without": (uncased, {"tokenizer_class": "BertTokenizer", "do_lower_case": False}, {"model_type": "bert"}),
    "do_lower_case and strip_accents false": (uncased, {"tokenizer_class": "BertTokenizerFast", "strip_accents": False}, {"model_type": "bert"}),
    "strip_accents true and case": (cased, {"tokenizer_class": "BertTokenizer", "do_lower_case": False, "strip_accents": True}, {"model_type": "new"}),
    "tokenize_chinese_chars false": (uncased, {"tokenizer_class": "BertTokenizer", "tokenize_chinese_chars": False}, {"model_type": "bert"}),
    "no tokenizer_config.json beside BERT": (cased, None, {"model_type": "bert"}),
    "no config.json beside BERT": (cased, {"tokenizer_class": "BertTokenizer"}, None),
    "DistilBERT": (cased, {"tokenizer_class": "DistilBertTokenizer"}, {"model_type": "distilbert"}),
    "ELECTRA": (cased, {"tokenizer_class": "ElectraTokenizerFast"}, {"model_type": "electra"}),
    "the whole file for BERT": (cased, {"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": True}, {"model_type": "bert"}),
    "ModernBERT": (roberta, {"tokenizer_class": "PreTrainedTokenizerFast", "add_prefix_space": True}, {"model_type": "modernbert"}),
    "MPNet": (mpnet, {"tokenizer_class": "MPNetTokenizer"}, {"model_type": "mpnet"}),
    "RoBERTa with add_prefix_space": (roberta, {"tokenizer_class": "RobertaTokenizer", "add_prefix_space": True}, {"model_type": "roberta"}),
    "RoBERTa without add_prefix_space": (spaced, {"tokenizer_class": "RobertaTokenizerFast"}, {"model_type": "roberta"}),
    "GPT-2 with add_prefix_space": (qwen, {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True}, {"model_type": "gpt2"}),
    "Qwen3 with add_eos_token": (qwen, {"tokenizer_class": "Qwen2Tokenizer", "add_eos_token": True, "eos_token": "<|endoftext|>"}, {"model_type": "qwen3"}),
    "CLIP without its normaliser": (plain_clip, {"tokenizer_class": "CLIPTokenizer"}, {"model_type": "clip"}),
    "XLM-R": (xlmr, {"tokenizer_class": "XLMRobertaTokenizer"}, {"model_type": "xlm-roberta"}),
    "XLM-R that does not split": (loose, {"tokenizer_class": "XLMRobertaTokenizerFast"}, {"model_type": "xlm-roberta"}),
    "T5": (t5, {"tokenizer_class": "T5Tokenizer", "extra_ids": 0}, {"model_type": "t5"}),
    "Gemma": (gemma, {"tokenizer_class": "GemmaTokenizer", "add_eos_token": True}, {"model_type": "gemma3_text"}),
    "Llama with add_eos_token": (llama, {"tokenizer_class": "LlamaTokenizer", "add_eos_token": True, **BOS}, {"model_type": "llama"}),
    "special tokens that tokenizer.json does not list": ({**uncased, "added_tokens": []}, {"tokenizer_class": "BertTokenizer", **NAMES}, {"model_type": "bert"}),
    "extra_special_tokens in the vocabulary": (uncased, {"tokenizer_class": "BertTokenizer", "extra_special_tokens": [a_piece(uncased)]}, {"model_type": "bert"}),
    "added_tokens_decoder with other flags": (roberta, {"tokenizer_class": "RobertaTokenizer", "added_tokens_decoder": decoder(roberta, "<mask>", rstrip=True)}, {"model_type": "roberta"}),
    "split_special_tokens": (uncased, {"tokenizer_class": "BertTokenizer", "split_special_tokens": True}, {"model_type": "bert"}),
    "special_tokens_map.json beside BERT": (uncased, {"tokenizer_class": "BertTokenizer", "cls_token": "[CLS]"}, {"model_type": "bert"}, {"cls_token": "[MASK]", "sep_token": {"content": "[PAD]", "lstrip": False, "rstrip": False, "normalized": False, "single_word": False}}),
    "special_tokens_map.json beside added_tokens_decoder": (uncased, {"tokenizer_class": "BertTokenizer", "added_tokens_decoder": decoder(uncased, "[MASK]")}, {"model_type": "bert"}, {"cls_token": "[MASK]"}),
    "Mistral": (mistral, {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": True, **BOS}, {"model_type": "mistral"}),
}

out = {"texts": TEXTS, "files": [], "folders": {}}
for name, (made, config, model, *special) in FOLDERS.items():
    with tempfile.TemporaryDirectory() as folder:
        for content, of in [(made, "tokenizer.json"), (config, "tokenizer_config.json"), (model, "config.json"), *((one, "special_tokens_map.json") for one in special)]:
            if content is not None:
                (pathlib.Path(folder) / of).write_text(json.dumps(content))
        tokenizer = AutoTokenizer.from_pretrained(folder)
        ids = [tokenizer(text)["input_ids"] for text in TEXTS]
    shown = json.loads(json.dumps(made).replace(json.dumps(FIXTURES["charsmap"]), '"the map"'))
    if shown not in out["files"]:
        out["files"].append(shown)
    out["folders"][name] = {"file": out["files"].index(shown), "config": config or {}, "model": model or {}, **({"special": special[0]} if special else {}), "ids": ids}
text = json.dumps(out, ensure_ascii=True, separators=(",", ":"))
(HERE / "tokenizer_settings.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
