"""rabitqlib as its users call it: its graph, SymphonyQG, and its lists of RaBitQ codes; both keep the rows as they came."""

import sys
from importlib.metadata import version as version_of

import numpy as np
from rabitqlib import FinalAssignmentMode, IvfIndex, QGKMeans, RaBitQKMeans, SymqgIndex

K = 10
DEGREE = 32
EF_CONSTRUCTION = 200
RAW = 32
"""What nbits means rows as they came: they order what the codes find."""
MANY_LISTS = 1024
"""From here on the documentation wants centroids sought through a graph."""


def version():
    return {"rabitqlib": version_of("rabitqlib"), "python": sys.version.split()[0]}


class Contender:
    def save(self, index, file):
        index.save(file)


class Symphony(Contender):
    def about(self, job):
        return f"squared distance on normalised rows; SymqgIndex, max_degree {DEGREE}, ef_construction {EF_CONSTRUCTION}"

    def build(self, rows, job):
        index = SymqgIndex(dim=job["dim"], max_degree=DEGREE, metric="l2")
        index.build(np.ascontiguousarray(rows), ef_construction=EF_CONSTRUCTION, num_threads=job["threads"])
        return index

    def load(self, file):
        return SymqgIndex.load(file)

    def settings(self, job):
        efs = [16, 24, 32, 48, 64, 96, 128, 192, 256] + ([384, 512] if job["count"] > 200_000 else [])
        return [{"name": f"ef {ef}", "ef": ef} for ef in efs]

    def searcher(self, index, setting, job):
        ef, threads = setting["ef"], job["threads"]
        return lambda queries: index.search(queries, K, ef, num_threads=threads)[0]


class Ivf(Contender):
    """Its codes are read in groups of 32, so that short lists would be read for empty places."""

    def lists(self, job):
        return 4096 if job["count"] > 200_000 else 256

    def about(self, job):
        return f"squared distance on normalised rows; IvfIndex, {self.lists(job)} lists, 1 bit a dim, rows reranked"

    def build(self, rows, job):
        lists, threads = self.lists(job), job["threads"]
        rows = np.ascontiguousarray(rows)
        kind = QGKMeans if lists > MANY_LISTS else RaBitQKMeans
        means = kind(job["dim"], lists, num_threads=threads, final_assignment=FinalAssignmentMode.Exact)
        means.train(rows)
        index = IvfIndex(dim=job["dim"], max_elements=len(rows), num_clusters=lists, nbits=RAW, metric="l2")
        index.build(rows, means.centroids, means.assignments, num_threads=threads)
        return index

    def load(self, file):
        return IvfIndex.load(file)

    def settings(self, job):
        probes = [8, 16, 32, 64, 128, 256, 512, 1024] if job["count"] > 200_000 else [8, 16, 32, 64, 128, 192, 256]
        return [{"name": f"nprobe {n}", "nprobe": n} for n in probes]

    def searcher(self, index, setting, job):
        probes, threads = setting["nprobe"], job["threads"]
        return lambda queries: index.search(queries, K, probes, num_threads=threads)[0]


CONTENDERS = {"symphonyqg": Symphony(), "rabitq-ivf": Ivf()}
