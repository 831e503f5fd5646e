"""turbovec as its users call it: a scan of 4-bit codes. It keeps no rows, so who wants more recall reranks with theirs."""

import sys
from importlib.metadata import version as version_of

import numpy as np
from turbovec import TurboQuantIndex

K = 10
BITS = 4
CALIBRATED_BY = 1024
"""Rows that its documentation calls enough."""


def version():
    return {"turbovec": version_of("turbovec"), "python": sys.version.split()[0]}


class Turbovec:
    def about(self, job):
        return f"inner product on normalised rows; TurboQuantIndex, {BITS} bits, calibrated by {CALIBRATED_BY} rows"

    def build(self, rows, job):
        index = TurboQuantIndex(dim=job["dim"], bit_width=BITS)
        index.calibrate(np.ascontiguousarray(rows[np.arange(CALIBRATED_BY) * len(rows) // CALIBRATED_BY]))
        for at in range(0, len(rows), 65_536):
            index.add(np.ascontiguousarray(rows[at : at + 65_536]))
        return index

    def save(self, index, file):
        index.write(file)

    def load(self, file):
        index = TurboQuantIndex.load(file)
        index.prepare()
        return index

    def settings(self, job):
        reranked = [{"name": f"{BITS} bits, {rows} reranked", "rows": rows} for rows in [12, 16, 32]]
        return [{"name": f"{BITS} bits"}, *reranked]

    def searcher(self, index, setting, job):
        most = setting.get("rows")
        if most is None:
            return lambda queries: index.search(queries, K)[1]
        rows = np.memmap(f"{job['folder']}/rows.f32", dtype="<f4", mode="r").reshape(-1, job["dim"])

        def search(queries):
            found = index.search(queries, most)[1]
            return np.stack([ids[np.argsort(-(rows[ids] @ query))[:K]] for ids, query in zip(found, queries)])

        return search


CONTENDERS = {"turbovec": Turbovec()}
