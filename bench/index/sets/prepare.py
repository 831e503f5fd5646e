"""Writes one set of vectors as raw float32 with its queries and their true neighbours.

prepare.py real OUT FOLDER FILE            rows of FOLDER/docs.f16 or FOLDER/docs-65000.i8, queries of FOLDER/queries.f16
prepare.py plain OUT ROWS QUERIES DIM      both raw float32
prepare.py synthetic OUT BASE FIRST COUNT  COUNT rows that follow the FIRST of BASE, a set written by this script

All rows are normalised, so that inner product and cosine rank alike. meta.json comes last: a set with it is whole.
"""

import json
import os
import sys

import numpy as np

from synthetic import follow
from truth import neighbours

QUERIES = 500
CHUNK = 16384


def unit(rows):
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30)


def real(folder, file):
    queries = np.fromfile(f"{folder}/queries.f16", dtype="<f2").reshape(-1, 768)
    if file.endswith(".f16"):
        rows = np.fromfile(f"{folder}/{file}", dtype="<f2").reshape(-1, 768)
        return 768, queries, [rows.astype("<f4")]
    scale = np.fromfile(f"{folder}/{file[:-3]}-scale.f32", dtype="<f4")
    codes = np.fromfile(f"{folder}/{file}", dtype="i1").reshape(len(scale), -1)
    return 768, queries, (codes[at : at + CHUNK] * scale[at : at + CHUNK, None] for at in range(0, len(scale), CHUNK))


def plain(rows, queries, dim):
    dim = int(dim)
    shaped = [np.fromfile(file, dtype="<f4").reshape(-1, dim) for file in (rows, queries)]
    return dim, shaped[1], [shaped[0]]


def synthetic(base, first, count):
    with open(f"{base}/meta.json") as file:
        dim = json.load(file)["dim"]
    rows = np.fromfile(f"{base}/rows.f32", dtype="<f4").reshape(-1, dim)
    queries = np.fromfile(f"{base}/queries.f32", dtype="<f4").reshape(-1, dim)
    return dim, queries, follow(rows[: int(first)], int(count), CHUNK)


def spread(rows, count):
    """`count` rows, evenly over all."""
    count = min(count, len(rows))
    return rows[np.arange(count) * len(rows) // count]


def write(out, dim, queries, chunks):
    os.makedirs(out, exist_ok=True)
    count = 0
    with open(f"{out}/rows.f32", "wb") as file:
        for chunk in chunks:
            unit(chunk.astype("f4")).astype("<f4").tofile(file)
            count += len(chunk)
            print(f"{count} rows", file=sys.stderr, flush=True)
    queries = unit(spread(queries.astype("f4"), QUERIES)).astype("<f4")
    queries.tofile(f"{out}/queries.f32")
    rows = np.memmap(f"{out}/rows.f32", dtype="<f4", mode="r").reshape(-1, dim)
    with open(f"{out}/truth.json", "w") as file:
        json.dump(neighbours(rows, queries), file)
    with open(f"{out}/meta.json", "w") as file:
        json.dump({"count": count, "dim": dim, "queries": len(queries)}, file)


if __name__ == "__main__":
    kind, target, *rest = sys.argv[1:]
    write(target, *{"real": real, "plain": plain, "synthetic": synthetic}[kind](*rest))
