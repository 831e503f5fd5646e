"""Do rows that follow real ones look like more real ones? resemblance.py BASE DIM OUT

The first 10,000 rows of BASE are grown to 20,000 and 65,000, and compared with that many real rows.
"""

import json
import sys

import faiss
import numpy as np

from synthetic import follow

SOURCE = 10_000
SIZES = [20_000, 65_000]
K = 10


def search(rows, queries, k):
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(np.ascontiguousarray(rows))
    return index.search(np.ascontiguousarray(queries), k)


def unit(rows):
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30)


def recall(found, truth):
    return np.mean([len(set(a) & set(b)) / K for a, b in zip(found, truth)])


def quantiles(values):
    return " / ".join(f"{value:.3f}" for value in np.quantile(values, [0.1, 0.5, 0.9]))


def measure(rows, queries):
    scores, near = search(rows, queries, 100)
    near = near[:, :K]
    values, vectors = np.linalg.eigh(np.cov(rows[:: max(1, len(rows) // 20_000)].T))
    order = np.argsort(-values)
    energy = np.cumsum(values[order]) / values.sum()
    basis = vectors[:, order].astype("f4")
    some = rows[np.random.default_rng(5).choice(len(rows), 500, replace=False)]
    own = search(rows, some, K + 1)[0]
    result = {
        "PCA energy of the first 32 / 64 / 128 dims": " / ".join(f"{energy[d - 1]:.3f}" for d in (32, 64, 128)),
        "cosine of a query's 10th row, p10 / p50 / p90": quantiles(scores[:, K - 1]),
        "cosine of a query's 100th row": quantiles(scores[:, -1]),
        "cosine of a row's 10th row": quantiles(own[:, K]),
    }
    for dim, count in [(64, 128), (128, 32), (128, 128)]:
        found = search(unit(rows[:, :dim]), unit(queries[:, :dim]), count)[1]
        result[f"recall@10 of the prefix of {dim}, best {count}"] = f"{recall(found, near):.3f}"
    heads, asked = rows @ basis[:, :128], queries @ basis[:, :128]
    for dim, count in [(64, 128), (128, 32)]:
        found = search(heads[:, :dim], asked[:, :dim], count)[1]
        result[f"recall@10 of the PCA head of {dim}, best {count}"] = f"{recall(found, near):.3f}"
    for dim in (64, 128):
        result[f"rows a Cauchy-Schwarz bound leaves after {dim} PCA dims"] = f"{100 * left(heads, asked, dim, scores[:, K - 1]):.2f} %"
    result.update(graph(rows, queries, near))
    return result


def left(heads, asked, dim, tenth):
    """Share of rows that no certificate can drop when the true 10th score is known."""
    rest = np.sqrt(np.maximum(0, 1 - (heads[:, :dim] ** 2).sum(1)))
    shares = []
    for query, bound in zip(asked[::5, :dim], tenth[::5]):
        tail = np.sqrt(max(0, 1 - (query**2).sum()))
        shares.append((heads[:, :dim] @ query + tail * rest >= bound).mean())
    return np.mean(shares)


def graph(rows, queries, near):
    index = faiss.IndexHNSWFlat(rows.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = 128
    index.add(rows)
    result = {}
    for ef in (32, 64):
        index.hnsw.efSearch = ef
        faiss.cvar.hnsw_stats.reset()
        found = index.search(queries, K)[1]
        read = faiss.cvar.hnsw_stats.ndis / len(queries)
        result[f"recall@10 of HNSW32 at ef {ef} (rows it reads)"] = f"{recall(found, near):.3f} ({read:.0f})"
    return result


def main(folder, dim, out):
    rows = np.fromfile(f"{folder}/rows.f32", dtype="<f4").reshape(-1, int(dim))
    queries = np.fromfile(f"{folder}/queries.f32", dtype="<f4").reshape(-1, int(dim))
    columns = {}
    for size in SIZES:
        columns[f"real {size:,}"] = measure(np.ascontiguousarray(rows[:size]), queries)
        grown = unit(np.concatenate(list(follow(rows[:SOURCE], size, 16384))))
        columns[f"{SOURCE:,} grown to {size:,}"] = measure(grown, queries)
    with open(out, "w") as file:
        json.dump(columns, file)


main(*sys.argv[1:])
