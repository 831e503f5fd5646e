"""The inside of a Python contender's process: host.py build|serve JOB. Messages are those of host.mjs."""

import importlib
import json
import os
import sys
import time

import numpy as np

from memory import peak, resident

role, job = sys.argv[1], json.loads(sys.argv[2])
os.environ.setdefault("OMP_NUM_THREADS", str(job["threads"]))
# Its own package alone: the memory of others' libraries would count as its.
peer = importlib.import_module(job["module"])
contender = peer.CONTENDERS[job["contender"]]
dim = job["dim"]


def send(message):
    print(json.dumps(message), flush=True)


def build():
    rows = np.memmap(f"{job['folder']}/rows.f32", dtype="<f4", mode="r").reshape(-1, dim)
    rows = rows if job["count"] > 200_000 else np.ascontiguousarray(rows)
    start = time.perf_counter()
    index = contender.build(rows, job)
    contender.save(index, job["file"])
    send({"seconds": time.perf_counter() - start, "peak": peak(), "version": peer.version()})


def serve():
    queries = np.fromfile(f"{job['folder']}/queries.f32", dtype="<f4").reshape(-1, dim)
    before = resident()
    index = contender.load(job["file"])
    settings = contender.settings(job)
    send({"ready": True, "settings": [one["name"] for one in settings], "version": peer.version(), "about": contender.about(job)})
    for line in sys.stdin:
        message = json.loads(line)
        if message.get("resident"):
            now = resident()
            send({"resident": None if now is None else now - before})
            continue
        search = contender.searcher(index, settings[message["setting"]], job)
        send(one_pass(search, queries, message))


def one_pass(search, queries, message):
    """Microseconds of every call; a call is one query, or `batch` of them."""
    size = message.get("batch", 1)
    micros, ids = [], []
    clock = time.perf_counter_ns
    until = clock() + message.get("ms", 1e9) * 1e6
    for at in range(message["from"], message["to"], size):
        asked = np.take(queries, range(at, at + size), axis=0, mode="wrap")
        start = clock()
        found = search(asked)
        micros.append((clock() - start) / 1000)
        if message.get("answers"):
            ids.extend(found.tolist())
        if clock() > until:
            break
    return {"micros": micros, "ids": ids}


{"build": build, "serve": serve}[role]()
