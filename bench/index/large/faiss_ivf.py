"""faiss's IVF over the rows of run.mjs, which come in float16 on stdin: faiss_ivf.py JOB. Its answer is a line of JSON.

Of the shapes that its users have, those with more bytes of codes than the limit are told of, and the first that has fewer is
built, but for those that JOB is to go without. No allocation goes beyond the limit: what adding rows takes is in there.
"""

import json
import os
import sys
import time

job = json.loads(sys.argv[1])
os.environ["OMP_NUM_THREADS"] = str(job["threads"])
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "contenders"))

import faiss  # noqa: E402
import numpy as np  # noqa: E402
from memory import peak, resident  # noqa: E402

K = 10
TIE = 1e-7
LISTS = 4096
TRAINING = 40 * LISTS
ROWS_AT_ONCE = 16_384
K_FACTOR = 20
PROBES = [8, 16, 32, 64, 128, 256, 512]
REFINEMENTS = {"RFlat": 4, "Refine(SQfp16)": 2, "Refine(SQ8)": 1, "Refine(SQ6)": 0.75, "Refine(SQ4)": 0.5}
"""How rows are kept for the last look: bytes a value."""


def main():
    count, dim, limit = job["count"], job["dim"], job["limit"]
    lists = min(LISTS, 16 * round(2 * count**0.5 / 16))
    codes = dim // 16 + 8  # four bits for eight dims, and a number
    needs = {f"IVF{lists},PQ{dim // 8}x4fs,{name}": int(count * (codes + size * dim)) for name, size in REFINEMENTS.items()}
    beyond = {shape: size for shape, size in needs.items() if size > limit}
    fitting = [shape for shape in needs if shape not in beyond and shape not in job["without"]]
    told = {"version": faiss.__version__, "beyond": beyond}
    if fitting:
        told["shape"] = fitting[0]
        print(json.dumps(told), flush=True)  # should it end without a word
        limited(limit)
        try:
            told.update(measured(fitting[0], lists))
        except MemoryError as error:
            told["failed"] = f"not enough memory {error}".strip()
    print(json.dumps({**told, "done": True}), flush=True)


def limited(limit):
    """Allocations beyond fail, as they would on a machine that has no more."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def measured(shape, lists):
    count, dim = job["count"], job["dim"]
    index = faiss.index_factory(dim, shape, faiss.METRIC_INNER_PRODUCT)
    refining = faiss.downcast_index(index.refine_index)
    seconds = 0.0
    cpu = time.process_time()
    sample = min(TRAINING, count)
    first = np.concatenate(list(parts(sample)))
    start = time.perf_counter()
    index.train(first)
    # Room for all of them at once: an array that grows is there twice for a while.
    refining.codes.resize(count * refining.code_size)
    refining.codes.resize(0)
    index.add(first)
    seconds += time.perf_counter() - start
    del first
    for rows in parts(count - sample):
        start = time.perf_counter()
        index.add(rows)
        seconds += time.perf_counter() - start
    built = {"seconds": seconds, "cpu": time.process_time() - cpu, "peak": peak()}
    queries = np.fromfile(job["queries"], dtype="<f4").reshape(-1, dim)
    with open(job["truth"]) as file:
        truth = json.load(file)
    lines = [line(index, queries, truth, probes) for probes in PROBES if probes <= lists]
    return {"built": built, "lines": lines, "resident": resident()}


def parts(count):
    """`count` of the rows on stdin in float32, some at a time."""
    dim = job["dim"]
    for at in range(0, count, ROWS_AT_ONCE):
        rows = min(ROWS_AT_ONCE, count - at)
        read = sys.stdin.buffer.read(2 * dim * rows)
        if len(read) < 2 * dim * rows:
            raise EOFError(f"Expected {count} rows on stdin but they end before row {at + len(read) // (2 * dim)}")
        yield np.frombuffer(read, dtype="<f2").reshape(-1, dim).astype("f4")


def line(index, queries, truth, probes):
    base = faiss.SearchParametersIVF(nprobe=probes)
    params = faiss.IndexRefineSearchParameters(k_factor=K_FACTOR, base_index_params=base)
    found, times = 0, []
    for a_pass in range(3):
        for query, true in zip(queries, truth):
            start = time.perf_counter()
            ids = index.search(query[None], K, params=params)[1][0]
            if a_pass > 0:
                times.append(1000 * (time.perf_counter() - start))
                continue
            # Scores as near as this are equal in float32, as for ours.
            right = {i for i, score in zip(true["ids"], true["scores"]) if score >= true["scores"][K - 1] - TIE}
            found += min(K, len(right.intersection(ids.tolist())))
    p50, p95 = (float(np.quantile(times, share)) for share in (0.5, 0.95))
    return {"name": f"nprobe {probes}", "recall": found / K / len(queries), "p50": p50, "p95": p95}


main()
