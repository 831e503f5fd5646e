"""Writes rows that follow a set to stdout in float16, and the true neighbours of its queries to a file: nothing of it is kept.

stream.py BASE FIRST COUNT [TRUTH]   COUNT rows that follow the FIRST of BASE, a set that prepare.py wrote; without TRUTH the rows alone
"""

import json
import sys

import numpy as np

from prepare import CHUNK, synthetic, unit

KEPT = 32


def main(base, first, count, truth=None):
    _, queries, chunks = synthetic(base, first, count)
    queries = unit(queries)
    best = np.full((len(queries), 0), -1)
    score = np.zeros((len(queries), 0))
    at = 0
    for chunk in chunks:
        rows = unit(chunk.astype("f4")).astype("<f2")
        sys.stdout.buffer.write(rows)
        if truth is None:
            continue
        # Neighbours of the rows as they are written: rounded.
        rounded = unit(rows.astype("f4"))
        dots = queries @ rounded.T
        near = np.argpartition(-dots, min(KEPT, dots.shape[1] - 1), axis=1)[:, :KEPT]
        exact = np.stack([rounded[ids].astype("f8") @ query for ids, query in zip(near, queries.astype("f8"))])
        best = np.hstack([best, near + at])
        score = np.hstack([score, exact])
        order = np.lexsort((best, -score), axis=1)[:, :KEPT]
        best, score = (np.take_along_axis(one, order, axis=1) for one in (best, score))
        at += len(rows)
    if truth is None:
        return
    with open(truth, "w") as file:
        json.dump([{"ids": ids.tolist(), "scores": scores.tolist()} for ids, scores in zip(best, score)], file)


if __name__ == "__main__":
    main(*sys.argv[1:])
