"""Rows that follow real ones: seeded, in chunks, bounded memory.

The real rows come first. Every further row is one of them, moved up to 0.6 of the way to one of its 20 nearest, plus noise
with the local covariance (a difference of two of the 20) and a little with the global one (a difference of any two rows).
resemblance.py measures how like the original the result is.
"""

import faiss
import numpy as np

SEED = 20
NEAREST = 20
MOVED = 0.6
LOCAL = 0.2
GLOBAL = 0.05
HEAD = 128


def follow(base, count, chunk):
    """Chunks of `count` rows in all."""
    near = nearest(base)
    for at in range(0, min(len(base), count), chunk):
        yield base[at : min(at + chunk, count)]
    for at in range(len(base), count, chunk):
        yield moved(base, near, np.arange(at, min(at + chunk, count)), np.random.default_rng([SEED, at]))


def moved(base, near, numbers, random):
    source = numbers % len(base)
    size = len(source)

    def neighbour():
        return base[near[source, random.integers(0, near.shape[1], size)]]

    def anyone():
        return base[random.integers(0, len(base), size)]

    share = MOVED * random.random((size, 1), dtype="f4")
    rows = base[source] + share * (neighbour() - base[source])
    rows += LOCAL * (neighbour() - neighbour())
    rows += GLOBAL * (anyone() - anyone())
    return rows


def nearest(base):
    """Row numbers of the nearest rows of each row, by cosine of the first PCA dims: near enough, and six times cheaper."""
    values, vectors = np.linalg.eigh(np.cov(base[:: max(1, len(base) // 20_000)].T))
    heads = base @ vectors[:, np.argsort(-values)[:HEAD]].astype("f4")
    heads /= np.maximum(np.linalg.norm(heads, axis=1, keepdims=True), 1e-30)
    index = faiss.IndexFlatIP(heads.shape[1])
    index.add(heads)
    found = index.search(heads, NEAREST + 1)[1]
    # A duplicate of the row may stand before the row itself: either is dropped.
    return found[:, 1:]
