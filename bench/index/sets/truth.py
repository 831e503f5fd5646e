"""Brute force: the true nearest rows of each query."""

import numpy as np

KEPT = 32
CHUNK = 65536


def neighbours(rows, queries, kept=KEPT):
    """Ids and scores, best first: sought in float32, scored and ordered in float64, ties by id."""
    best = [np.empty(0, dtype=np.int64)] * len(queries)
    score = [np.empty(0, dtype="f4")] * len(queries)
    for at in range(0, len(rows), CHUNK):
        dots = queries @ np.asarray(rows[at : at + CHUNK]).T
        near = np.argpartition(-dots, min(kept, dots.shape[1] - 1), axis=1)[:, :kept]
        for q, ids in enumerate(near):
            all_ids = np.concatenate([best[q], ids + at])
            all_scores = np.concatenate([score[q], dots[q, ids]])
            order = np.argsort(-all_scores, kind="stable")[:kept]
            best[q], score[q] = all_ids[order], all_scores[order]
    return [exact(rows, query.astype("f8"), ids) for query, ids in zip(queries, best)]


def exact(rows, query, ids):
    scores = np.asarray(rows[np.sort(ids)], dtype="f8") @ query
    ids = np.sort(ids)
    order = np.lexsort((ids, -scores))
    return {"ids": ids[order].tolist(), "scores": scores[order].tolist()}
