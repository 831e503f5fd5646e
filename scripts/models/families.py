"""Small random models of many families, as sentence-transformers saves them, with Python's token ids and vectors.

    families.py FOLDER [--texts 1000] [--families bert,qwen3]

Each family is a folder with its ONNX export in onnx/, and expected.json: the token ids and vectors that
sentence-transformers gives for the first texts of family_texts.py, by role. Weights lie on a coarse grid, so that the
files pack well. Made with torch 2.15.0, transformers 5.24.0, sentence-transformers 6.2.0, model2vec 0.10.0,
tokenizers 0.23.3, onnxscript, onnx 1.23.2, onnxruntime 1.32.0, numpy 2.4.6 on Python 3.11.
"""

import argparse
import base64
import json
import shutil
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
import transformers as tf
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from family_texts import corpus_of, texts_of

SEED = 17
HIDDEN, LAYERS, HEADS, WIDE = 32, 2, 4, 48
LIMIT = 48
BATCH = 16

corpus = corpus_of(SEED, 400)


# Tokenizers


def byte_level(specials, size=560):
    """Vocabulary and merges of a byte-level BPE."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=specials, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    return bpe_parts(tokenizer, trainer)


def byte_fallback(specials, size=640):
    """Vocabulary and merges of a BPE over ▁words, with bytes for what it lacks."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    bytes_ = [f"<0x{b:02X}>" for b in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=[*specials, *bytes_], limit_alphabet=200, show_progress=False)
    return bpe_parts(tokenizer, trainer)


def bpe_parts(tokenizer, trainer):
    tokenizer.train_from_iterator(corpus, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [tuple(pair) if isinstance(pair, list) else tuple(pair.split(" ")) for pair in model["merges"]]


def word_pieces(specials, size=600):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=specials, limit_alphabet=420, show_progress=False)
    tokenizer.train_from_iterator(corpus, trainer)
    return json.loads(tokenizer.to_str())["model"]["vocab"]


def pieces(specials, size=640):
    """Pieces and scores of a Unigram model."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=size, special_tokens=specials, unk_token="<unk>", show_progress=False)
    # It wants all letters that it meets: those of the first scripts, and the others are unknown.
    tokenizer.train_from_iterator([text for at, text in enumerate(corpus) if at % 16 < 10], trainer)
    return [(piece, round(score, 3)) for piece, score in json.loads(tokenizer.to_str())["model"]["vocab"]]


def bert_tokenizer():
    return tf.BertTokenizer(vocab=word_pieces(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))


def roberta_tokenizer():
    vocab, merges = byte_level(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    return tf.RobertaTokenizer(vocab=vocab, merges=merges)


def xlmr_tokenizer():
    return tf.XLMRobertaTokenizer(vocab=pieces(["<s>", "<pad>", "</s>", "<unk>"]))


def llama_tokenizer():
    vocab, merges = byte_fallback(["<unk>", "<s>", "</s>"])
    tokenizer = tf.LlamaTokenizer(vocab=vocab, merges=merges, pad_token="</s>", padding_side="left")
    backend = tokenizer.backend_tokenizer
    backend.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    return tokenizer


def qwen_tokenizer():
    vocab, merges = byte_level(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tokenizer = tf.Qwen2Tokenizer(vocab=vocab, merges=merges, padding_side="left")
    # As the embedding models of the family have it.
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(single="$A <|endoftext|>", special_tokens=[("<|endoftext|>", 0)])
    return tokenizer


def fast_tokenizer(start, end, pad, normalizer=None):
    """One that no class builds anew: its file is what counts."""
    specials = [start, end, pad, "[UNK]", "[MASK]"]
    vocab, merges = byte_level(specials)
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    tokenizer.normalizer = normalizer or normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{start} $A {end}", special_tokens=[(start, vocab[start]), (end, vocab[end])])
    return tf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=pad, cls_token=start, sep_token=end, mask_token="[MASK]", unk_token="[UNK]")


def gemma_tokenizer(**more):
    vocab, merges = byte_fallback(["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"])
    tokenizer = tf.GemmaTokenizer(vocab=vocab, merges=merges, **more)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(single="<bos> $A <eos>", special_tokens=[("<bos>", 2), ("<eos>", 1)])
    return tokenizer


def t5_tokenizer():
    return tf.T5Tokenizer(vocab=pieces(["<pad>", "</s>", "<unk>"]), extra_ids=0)


def clip_tokenizer():
    tokenizer = Tokenizer(models.BPE(continuing_subword_prefix="", end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=760, initial_alphabet=alphabet, end_of_word_suffix="</w>", show_progress=False)
    vocab, merges = bpe_parts(tokenizer, trainer)
    for token in [letter + "</w>" for letter in alphabet] + ["<|startoftext|>", "<|endoftext|>"]:
        vocab.setdefault(token, len(vocab))
    return tf.CLIPTokenizer(vocab=vocab, merges=merges)


# Models


def common(tokenizer, **more):
    return dict(vocab_size=len(tokenizer), hidden_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS, intermediate_size=WIDE, max_position_embeddings=64, pad_token_id=tokenizer.pad_token_id, attn_implementation="eager", **more)


def decoder(tokenizer, **more):
    return common(tokenizer, num_key_value_heads=2, head_dim=8, bos_token_id=None, eos_token_id=None, **more)


def bert(t): return tf.BertModel(tf.BertConfig(**common(t)))
def distilbert(t): return tf.DistilBertModel(tf.DistilBertConfig(vocab_size=len(t), dim=HIDDEN, n_layers=LAYERS, n_heads=HEADS, hidden_dim=WIDE, max_position_embeddings=64, pad_token_id=t.pad_token_id, attn_implementation="eager"))
def mpnet(t): return tf.MPNetModel(tf.MPNetConfig(**common(t)))
def roberta(t): return tf.RobertaModel(tf.RobertaConfig(**common(t)))
def xlmr(t): return tf.XLMRobertaModel(tf.XLMRobertaConfig(**common(t)))
def modernbert(t): return tf.ModernBertModel(tf.ModernBertConfig(**common(t, local_attention=16, cls_token_id=0, sep_token_id=1, bos_token_id=0, eos_token_id=1)))
def qwen3(t): return tf.Qwen3Model(tf.Qwen3Config(**decoder(t)))
def mistral(t): return tf.MistralModel(tf.MistralConfig(**decoder(t, sliding_window=None)))
def t5(t): return tf.T5EncoderModel(tf.T5Config(vocab_size=len(t), d_model=HIDDEN, d_kv=8, d_ff=WIDE, num_layers=LAYERS, num_heads=HEADS, relative_attention_num_buckets=8, relative_attention_max_distance=32, feed_forward_proj="gated-gelu", attn_implementation="eager"))
def gemma(t): return tf.Gemma3TextModel(tf.Gemma3TextConfig(**decoder(t, use_bidirectional_attention=True, sliding_window=16, layer_types=["sliding_attention", "full_attention"], query_pre_attn_scalar=8)))
def nomic(t): return tf.NomicBertModel(tf.NomicBertConfig(**common(t, head_dim=8)))
def gte(t): return tf.GteModel(tf.GteConfig(**common(t)))
def jina(t): return tf.JinaEmbeddingsV3Model(tf.JinaEmbeddingsV3Config(**common(t)))
def eurobert(t): return tf.EuroBertModel(tf.EuroBertConfig(**decoder(t)))
def clip(t): return tf.CLIPTextModelWithProjection(tf.CLIPTextConfig(**common(t, projection_dim=24, bos_token_id=t.bos_token_id, eos_token_id=t.eos_token_id)))
def siglip(t): return tf.SiglipTextModel(tf.SiglipTextConfig(**common(t, projection_size=HIDDEN, bos_token_id=None, eos_token_id=t.eos_token_id)))


E5 = {"query": "query: ", "document": "passage: "}
TASK = {"query": "Instruct: find what fits\nQuery:", "document": ""}
# tokenizer, model, pooling, prompts, and what is apart: dense (dims and bias of layers behind the pooling), export (what
# the graph gives), length.
FAMILIES = {
    "bert": (bert_tokenizer, bert, "mean", {}, {}),
    "distilbert": (bert_tokenizer, distilbert, "cls", {}, {}),
    "mpnet": (lambda: tf.MPNetTokenizer(vocab=word_pieces(["<s>", "<pad>", "</s>", "[UNK]", "<mask>"])), mpnet, "mean", {}, {}),
    "roberta": (roberta_tokenizer, roberta, "mean", {}, {}),
    "xlm-roberta": (xlmr_tokenizer, xlmr, "mean", E5, {}),
    "modernbert": (lambda: fast_tokenizer("[CLS]", "[SEP]", "[PAD]"), modernbert, "cls", {"query": "search_query: ", "document": "search_document: "}, {}),
    "qwen3": (qwen_tokenizer, qwen3, "lasttoken", TASK, {}),
    "mistral": (llama_tokenizer, mistral, "lasttoken", TASK, {}),
    "t5": (t5_tokenizer, t5, "mean", {}, {"dense": [(24, False)]}),
    "t5-in-graph": (t5_tokenizer, t5, "mean", {}, {"dense": [(24, False)], "export": "sentence_embedding"}),
    "embeddinggemma": (gemma_tokenizer, gemma, "mean", {"query": "task: search result | query: ", "document": "title: none | text: "}, {"dense": [(64, False), (32, False)], "dynamo": True}),
    "nomic-bert": (bert_tokenizer, nomic, "mean", {"query": "search_query: ", "document": "search_document: "}, {}),
    "gte": (xlmr_tokenizer, gte, "cls", {}, {}),
    "jina-v3": (xlmr_tokenizer, jina, "mean", {}, {}),
    "eurobert": (lambda: fast_tokenizer("<|begin|>", "<|end|>", "<|pad|>"), eurobert, "mean", {}, {}),
    "bge-m3": (xlmr_tokenizer, xlmr, "cls", {}, {"export": "three"}),
    "clip": (clip_tokenizer, clip, None, {}, {"export": "text_embeds"}),
    "siglip": (lambda: gemma_tokenizer(padding_side="right"), siglip, None, {}, {"export": "pooler_output"}),
    "model2vec": (bert_tokenizer, None, "mean", {}, {}),
}


def on_grid(module, seed):
    """Random weights, multiples of 1/32; norms near 1, biases near 0."""
    random = np.random.default_rng(seed)
    with torch.no_grad():
        for name, value in sorted(module.named_parameters()):
            shape = tuple(value.shape)
            if "norm" in name.lower() and name.endswith("weight"):
                drawn = (0 if "gemma" in type(module).__name__.lower() else 1) + random.normal(0, 0.1, shape)
            elif len(shape) < 2:
                drawn = random.normal(0, 0.05, shape)
            else:
                embeds = any(part in name.lower() for part in ("embed", "shared", "wte"))
                # Words weigh more than their places, so that texts lie apart.
                words = 0.2 if "position" in name or "type" in name else 0.7
                drawn = random.normal(0, words if embeds else 1.2 / np.sqrt(shape[-1]), shape)
            value.copy_(torch.from_numpy(np.round(drawn * 32) / 32))


class Graph(torch.nn.Module):
    """The part that an exporter puts into the file."""

    def __init__(self, model, export, st):
        super().__init__()
        self.model, self.export, self.st = model, export, st
        if export == "three":
            self.sparse = torch.nn.Linear(HIDDEN, 1)
            self.colbert = torch.nn.Linear(HIDDEN, HIDDEN)

    def forward(self, input_ids, attention_mask=None):
        out = self.model(input_ids=input_ids, attention_mask=attention_mask)
        if self.export == "sentence_embedding":
            features = {"token_embeddings": out.last_hidden_state, "attention_mask": attention_mask}
            for module in list(self.st)[1:]:
                features = module(features)
            return out.last_hidden_state, features["sentence_embedding"]
        if self.export == "three":
            states = out.last_hidden_state
            # In the order of the export that people have, by name.
            return torch.nn.functional.normalize(states[:, 0], dim=-1), torch.relu(self.sparse(states)), self.colbert(states[:, 1:])
        return getattr(out, self.export or "last_hidden_state")


def export_onnx(file, graph, export, masked, dynamo=False):
    names = {None: ["last_hidden_state"], "sentence_embedding": ["token_embeddings", "sentence_embedding"], "three": ["dense_vecs", "sparse_vecs", "colbert_vecs"]}.get(export, [export])
    ids = torch.tensor([[5, 6, 7, 8, 9], [9, 8, 7, 6, 5], [5, 5, 6, 6, 7]])
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0], [1, 1, 1, 0, 0]])
    axes = {0: "batch", 1: "sequence"} if masked else {0: "batch"}
    if not masked:
        ids = ids.repeat(1, 13)[:, :64]
    inputs = ["input_ids", "attention_mask"][: 2 if masked else 1]
    file.parent.mkdir(parents=True, exist_ok=True)
    dynamic = {name: axes for name in inputs}
    dynamic |= {name: {0: "batch"} if name in ("sentence_embedding", "dense_vecs", "text_embeds", "pooler_output") else {0: "batch", 1: "sequence"} for name in names}
    if dynamo:
        free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
        torch.onnx.export(graph, (ids, mask), str(file), input_names=inputs, output_names=names, dynamic_shapes=(free, free), opset_version=18, dynamo=True, external_data=False)
    else:
        torch.onnx.export(graph, (ids, mask)[: len(inputs)], str(file), input_names=inputs, output_names=names, dynamic_axes=dynamic, opset_version=17, dynamo=False)
    model = onnx.load(file)
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for value in [*model.graph.value_info, *model.graph.initializer, *model.graph.input, *model.graph.output]:
        del value.metadata_props[:]
    del model.graph.value_info[:]
    del model.graph.metadata_props[:]
    del model.metadata_props[:]
    onnx.save(model, file)


def save_family(name, folder):
    make_tokenizer, make_model, pooling, prompts, more = FAMILIES[name]
    shutil.rmtree(folder, ignore_errors=True)
    seed = zlib.crc32(name.encode())
    torch.manual_seed(seed)
    tokenizer = make_tokenizer()
    export = more.get("export")
    if name == "model2vec":
        return save_static(name, folder, tokenizer, seed)
    tokenizer.model_max_length = 64 if pooling is None else LIMIT
    model = make_model(tokenizer).eval()
    on_grid(model, seed)
    if pooling is None:
        tokenizer.save_pretrained(folder)
        model.config.save_pretrained(folder)
        fixed = name == "siglip"
        export_onnx(folder / "onnx" / "model.onnx", Graph(model, export, None).eval(), export, masked=not fixed)
        padding = {"padding": "max_length", "max_length": 64} if fixed else {"padding": True}
        return tidy(folder), None, lambda texts: tower(model, tokenizer, texts, export, padding), lambda text: tokenizer(text, truncation=True, max_length=64)["input_ids"]
    with tempfile.TemporaryDirectory() as plain:
        tokenizer.save_pretrained(plain)
        model.save_pretrained(plain)
        transformer = modules.Transformer(plain, max_seq_length=LIMIT, model_kwargs={"attn_implementation": "eager"})
        layers = [transformer, modules.Pooling(HIDDEN, pooling)]
        width = HIDDEN
        for out, bias in more.get("dense", []):
            layers.append(modules.Dense(width, out, bias=bias, activation_function=torch.nn.Identity()))
            on_grid(layers[-1], seed + out)
            width = out
        st = SentenceTransformer(modules=[*layers, modules.Normalize()], prompts=prompts or None, device="cpu").eval()
        st.save(str(folder), create_model_card=False)
    graph = Graph(st[0].auto_model, export, st).eval()
    if export == "three":
        on_grid(graph.sparse, seed + 1)
        on_grid(graph.colbert, seed + 2)
    export_onnx(folder / "onnx" / "model.onnx", graph, export, masked=True, dynamo=more.get("dynamo", False))
    st.max_seq_length = LIMIT
    encode = lambda text: st.tokenizer(text, truncation=True, max_length=st.max_seq_length)["input_ids"]
    return tidy(folder), prompts, lambda texts: st.encode(texts, batch_size=BATCH, prompt=""), encode


def save_static(name, folder, tokenizer, seed):
    from model2vec import StaticModel

    random = np.random.default_rng(seed)
    table = np.round(random.normal(0, 0.5, (len(tokenizer), HIDDEN)) * 32) / 32
    backend = tokenizer.backend_tokenizer
    config = {"model_type": "model2vec", "max_length": 40}
    StaticModel(table.astype(np.float32), backend, normalize=True, config=config, max_length=40).save_pretrained(folder)
    model = StaticModel.from_pretrained(folder)
    # With unknown tokens, which the mean leaves out.
    ids_of = lambda text: model.tokenizer.encode(text[: 40 * model.median_token_length], add_special_tokens=False).ids
    return tidy(folder, weights=True), None, lambda texts: model.encode(texts, batch_size=BATCH), ids_of


def tower(model, tokenizer, texts, output, padding):
    vectors = []
    for text in texts:
        tokens = tokenizer([text], truncation=True, max_length=64, return_tensors="pt") if "max_length" not in padding else tokenizer([text], truncation=True, return_tensors="pt", **padding)
        with torch.no_grad():
            vectors.append(getattr(model(input_ids=tokens["input_ids"], attention_mask=None if "max_length" in padding else tokens.get("attention_mask")), output)[0].numpy())
    vectors = np.array(vectors, np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def tidy(folder, weights=False):
    """Without the weights that the ONNX file has."""
    for file in ("README.md", *([] if weights else ["model.safetensors"])):
        (folder / file).unlink(missing_ok=True)
    for file in folder.rglob("*.json"):
        if file.name == "tokenizer.json":
            file.write_text(json.dumps(json.loads(file.read_text()), ensure_ascii=False, separators=(",", ":")) + "\n")
    return folder


def packed(array, kind):
    return base64.b64encode(np.asarray(array, kind).tobytes()).decode()


def expect(name, folder, texts):
    folder, prompts, encode, ids_of = save_family(name, folder)
    roles = {}
    for role in ("query", "document"):
        prompt = (prompts or {}).get(role, "")
        if role == "query" and not any((prompts or {}).values()):
            continue  # no prompts: roles are one
        whole = [prompt + text for text in texts]
        vectors = np.asarray(encode(whole), np.float32)
        ids = [ids_of(text) for text in whole]
        roles[role] = {
            "lengths": packed([len(row) for row in ids], "<u2"),
            "ids": packed([one for row in ids for one in row], "<u2"),
            "vectors": packed(vectors, "<f2"),
        }
        dim = vectors.shape[1]
        near = (vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-30)) @ (vectors[: len(texts) // 2].T)
        print(f"{name} {role}: {dim} dims, cosine of two texts {near.mean():.2f}, shortest vector {np.linalg.norm(vectors, axis=1).min():.3f}", flush=True)
    (folder / "expected.json").write_text(json.dumps({"dim": dim, "roles": roles}) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--families", default=",".join(FAMILIES))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    texts = texts_of(SEED, options.texts)
    (options.folder / "texts.json").write_text(json.dumps(texts, ensure_ascii=False, indent=0) + "\n")
    failed = []
    for name in options.families.split(","):
        try:
            expect(name, options.folder / name, texts)
        except Exception as error:
            import traceback

            traceback.print_exc(limit=-4)
            failed.append(f"{name}: {type(error).__name__}: {str(error)[:300]}")
    print(*failed, sep="\n")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
