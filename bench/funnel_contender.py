"""A Python contender of funnel.mjs: funnel_contender.py numpy|pandas <folder with the inputs>."""

import json
import sys
import time

import numpy as np

name, folder = sys.argv[1:]
with open(f"{folder}/plan.json") as file:
    given = json.load(file)
dim, scales, keep = given["dim"], given["plan"]["scales"], given["plan"]["keep"]
query = np.fromfile(f"{folder}/query.f32", dtype="<f4")
matrix = np.fromfile(f"{folder}/rows.f32", dtype="<f4").reshape(-1, dim)
ids = np.arange(1000, 1000 + len(matrix))


def with_numpy():
    """Every scale as one product of the survivors' matrix with the query."""
    alive = np.arange(len(matrix))
    for scale in scales:
        q = query[:scale] / np.linalg.norm(query[:scale])
        rows = matrix[alive, :scale]
        scores = rows @ q / np.linalg.norm(rows, axis=1)
        order = np.argsort(-scores, kind="stable")[: int(keep * len(alive))]
        alive, scores = alive[order], scores[order]
    return [{"id": int(id), "score": float(score)} for id, score in zip(ids[alive], scores)]


def with_pandas():
    """The tutorial's way: a data frame of vectors, a Python function applied to each row."""
    frame = base
    for scale in scales:
        q = query[:scale] / np.linalg.norm(query[:scale])

        def score(row):
            head = row["vector"][:scale]
            return float((head / np.linalg.norm(head)) @ q)

        frame = frame.assign(score=frame.apply(score, axis=1))
        frame = frame.sort_values(by="score", ascending=False)
        frame = frame.head(int(keep * len(frame)))
    return [{"id": int(id), "score": score} for id, score in zip(frame["id"], frame["score"])]


about = {"ready": True, "python": sys.version.split()[0], "numpy": np.__version__}
if name == "pandas":
    import pandas as pd

    base = pd.DataFrame({"id": ids, "vector": list(matrix)})
    about["pandas"] = pd.__version__
run = {"numpy": with_numpy, "pandas": with_pandas}[name]


def measure(ms):
    spent(run, ms / 3, 1)
    return {"micros": float(np.median(spent(run, ms, 3))) / 1000}


def spent(run, ms, least):
    """Nanoseconds of each call, for so many milliseconds and at least so many calls."""
    clock = time.perf_counter_ns
    end = clock() + ms * 1e6
    times = []
    while clock() < end or len(times) < least:
        start = clock()
        run()
        times.append(clock() - start)
    return times


print(json.dumps(about), flush=True)
for line in sys.stdin:
    message = json.loads(line)
    reply = measure(message["ms"]) if "ms" in message else {"answer": run()}
    print(json.dumps(reply), flush=True)
