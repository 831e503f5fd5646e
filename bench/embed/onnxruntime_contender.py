"""Texts into vectors as sentence-transformers does it: sorted by length, 32 a run, Rust's tokenizer, means, lengths of 1.

onnxruntime_contender.py MODEL_FOLDER TEXTS.json THREADS; then a line of JSON in, a line out: {"set": name} is embedded
and timed, {"peak": true} tells the most memory that the process has had.
"""

import json
import os
import resource
import sys
import time

FOLDER, TEXTS, THREADS = sys.argv[1], sys.argv[2], int(sys.argv[3])
os.environ["RAYON_NUM_THREADS"] = str(THREADS)

import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

BATCH, LIMIT = 32, 256
sets = json.load(open(TEXTS))
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = THREADS
options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(f"{FOLDER}/onnx/model.onnx", options, providers=["CPUExecutionProvider"])
tokenizer = Tokenizer.from_file(f"{FOLDER}/tokenizer.json")
tokenizer.enable_truncation(LIMIT)
tokenizer.enable_padding()


def embed(texts):
    order = sorted(range(len(texts)), key=lambda at: -len(texts[at]))
    out = np.empty((len(texts), 384), np.float32)
    for start in range(0, len(order), BATCH):
        places = order[start : start + BATCH]
        encoded = tokenizer.encode_batch([texts[at] for at in places])
        ids = np.array([one.ids for one in encoded], np.int64)
        mask = np.array([one.attention_mask for one in encoded], np.int64)
        feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        states = session.run(["last_hidden_state"], feeds)[0]
        weights = mask[:, :, None].astype(np.float32)
        means = (states * weights).sum(1) / weights.sum(1)
        out[places] = means / np.linalg.norm(means, axis=1, keepdims=True)
    return out


def peak():
    """The peak of this program alone: ru_maxrss begins with that of the process that started it."""
    try:
        status = open("/proc/self/status").read()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def answer(message):
    if "peak" in message:
        return {"bytes": peak()}
    start = time.perf_counter()
    vectors = embed(sets[message["set"]])
    return {"ms": (time.perf_counter() - start) * 1000, "first": vectors[0].tolist()}


print(json.dumps({"version": onnxruntime.__version__}), flush=True)
for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
