"""Exports of other precisions of families that families.py has made, with the vectors of Python's onnxruntime.

    precisions.py FOLDER [--texts 64] [--families bert,qwen3,t5,embeddinggemma]

Writes onnx/model_fp16.onnx, model_quantized.onnx (dynamic int8) and model_q4.onnx (MatMulNBits, blocks of 32) beside each
model.onnx, and precisions.json: what onnxruntime gives for the token ids of expected.json, one text a run, pooled and
stepped as the folder says. With packages as in families.py, and onnx_ir 1.1.0, sympy 1.14.0.
"""

import argparse
import base64
import json
import logging
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
from onnxruntime.transformers.float16 import convert_float_to_float16
from safetensors.numpy import load_file

PRECISIONS = {"float16": "model_fp16", "int8": "model_quantized", "q4": "model_q4"}


def write(source, file, precision, halves_outside):
    file.unlink(missing_ok=True)
    if precision == "int8":
        # Unsigned weights: products of signed ones saturate on processors without VNNI, so that vectors differ there.
        quantize_dynamic(source, file, weight_type=QuantType.QUInt8)
    elif precision == "float16":
        onnx.save(convert_float_to_float16(onnx.load(source), keep_io_types=not halves_outside, disable_shape_infer=True), file)
    else:
        quantizer = MatMulNBitsQuantizer(onnx.load(source), block_size=32, is_symmetric=True)
        quantizer.process()
        onnx.save(quantizer.model.model, file)


def ids_of(folder, role, count):
    expected = json.loads((folder / "expected.json").read_text())["roles"]
    of = expected.get(role)
    if of is None:
        return None
    lengths, ids = (np.frombuffer(base64.b64decode(of[key]), "<u2") for key in ("lengths", "ids"))
    ends = np.cumsum(lengths.astype(int))
    return [ids[end - length : end].astype(np.int64) for end, length in zip(ends, lengths.astype(int))][:count]


def steps_of(folder):
    """The folder's steps from the states of a text's tokens to its vector."""
    modules = folder / "modules.json"
    kinds = [(one["type"].split(".")[-1], one["path"]) for one in json.loads(modules.read_text())] if modules.exists() else []
    pooling = next((json.loads((folder / at / "config.json").read_text())["pooling_mode"] for kind, at in kinds if kind == "Pooling"), None)
    dense = [load_file(folder / at / "model.safetensors")["linear.weight"] for kind, at in kinds if kind == "Dense"]
    return pooling, dense


def vectors_of(file, folder, texts):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    outputs = [one.name for one in session.get_outputs()]
    whole = next((name for name in ("sentence_embedding", "dense_vecs", "text_embeds", "pooler_output") if name in outputs), None)
    pooling, dense = steps_of(folder)
    rows = []
    for ids in texts:
        filled = ids
        if "attention_mask" not in names:
            filled = np.zeros(64, np.int64)  # SigLIP's
            filled[: len(ids)] = ids
        feeds = {"input_ids": filled[None], "attention_mask": np.ones((1, len(filled)), np.int64)}
        out = session.run([whole or outputs[0]], {name: feeds[name] for name in names})[0][0].astype(np.float64)
        if whole is None:
            out = {"mean": out.mean(0), "cls": out[0], "lasttoken": out[-1]}[pooling]
            for weight in dense:
                out = weight.astype(np.float64) @ out
        rows.append(out / np.linalg.norm(out))
    return np.array(rows)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--texts", type=int, default=64)
    parser.add_argument("--families", default="bert,qwen3,t5,embeddinggemma")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    for family in options.families.split(","):
        folder = options.folder / family
        expected = {}
        for precision, name in PRECISIONS.items():
            file = folder / "onnx" / f"{name}.onnx"
            write(folder / "onnx" / "model.onnx", file, precision, family == "bert")
            expected[precision] = {"model": f"onnx/{name}.onnx", "texts": options.texts, "roles": {}}
            for role in ("document", "query"):
                texts = ids_of(folder, role, options.texts)
                if texts is None:
                    continue
                vectors = vectors_of(file, folder, texts)
                plain = vectors_of(folder / "onnx" / "model.onnx", folder, texts)
                expected[precision]["roles"][role] = base64.b64encode(vectors.astype("<f2").tobytes()).decode()
                print(f"{family} {precision} {role}: {file.stat().st_size // 1024} KB, least cosine with float32 {(vectors * plain).sum(1).min():.4f}", flush=True)
        (folder / "precisions.json").write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    main()
