"""faiss as its users call it: one index.search per query or batch."""

import sys

import faiss
import numpy as np

K = 10
TRAINING = 65_536


def version():
    options = faiss.get_compile_options().split()
    return {"faiss": faiss.__version__, "level": options[-1], "python": sys.version.split()[0]}


class Contender:
    def about(self, job):
        return "inner product on normalised rows"

    def save(self, index, file):
        faiss.write_index(index, file)

    def load(self, file):
        return faiss.read_index(file)

    def settings(self, job):
        return [{"name": "exact"}]

    def searcher(self, index, setting, job):
        return lambda queries: index.search(queries, K)[1]


class Flat(Contender):
    def build(self, rows, job):
        index = faiss.IndexFlatIP(job["dim"])
        add(index, rows)
        return index


class Panorama(Contender):
    """16 levels on rows rotated by PCA; the index rotates the query, so that its time is counted."""

    def about(self, job):
        return "inner product on normalised rows; 16 levels, PCA rotation without centring"

    def build(self, rows, job):
        dim = job["dim"]
        rotation = faiss.PCAMatrix(dim, dim)
        rotation.train(sample(rows))
        # Centring would change inner products: the rotation alone is kept.
        rotation.have_bias = False
        faiss.copy_array_to_vector(np.zeros(dim, dtype="f4"), rotation.b)
        rotation.is_orthonormal = True
        index = faiss.IndexPreTransform(rotation, faiss.IndexFlatIPPanorama(dim, 16))
        index.is_trained = True
        add(index, rows)
        return index


class Hnsw(Contender):
    def about(self, job):
        return "inner product on normalised rows; M 32, efConstruction 128"

    def build(self, rows, job):
        index = faiss.IndexHNSWFlat(job["dim"], 32, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = 128
        add(index, rows, step=1 << 30)
        return index

    def settings(self, job):
        efs = [16, 24, 32, 48, 64, 96, 128, 192, 256] + ([384, 512] if job["count"] > 200_000 else [])
        return [{"name": f"ef {ef}", "ef": ef} for ef in efs]

    def searcher(self, index, setting, job):
        index.hnsw.efSearch = setting["ef"]
        return super().searcher(index, setting, job)


class IvfPq(Contender):
    def shape(self, job):
        lists = 2048 if job["count"] > 200_000 else 256
        return f"IVF{lists},PQ{job['dim'] // 8}x4fs,RFlat"

    def about(self, job):
        return f"inner product on normalised rows; {self.shape(job)}, k_factor {self.factor(job)}"

    def factor(self, job):
        return 20

    def build(self, rows, job):
        index = faiss.index_factory(job["dim"], self.shape(job), faiss.METRIC_INNER_PRODUCT)
        index.train(sample(rows, 40 * (2048 if job["count"] > 200_000 else 1024)))
        add(index, rows)
        return index

    def settings(self, job):
        probes = [16, 32, 64, 128, 256, 512] if job["count"] > 200_000 else [4, 8, 16, 32, 64, 128, 256]
        return [{"name": f"nprobe {n}", "nprobe": n, "factor": self.factor(job)} for n in probes]

    def searcher(self, index, setting, job):
        base = faiss.SearchParametersIVF(nprobe=setting["nprobe"])
        params = faiss.IndexRefineSearchParameters(k_factor=setting["factor"], base_index_params=base)
        return lambda queries: index.search(queries, K, params=params)[1]


def sample(rows, most=TRAINING):
    if len(rows) <= most:
        return np.ascontiguousarray(rows)
    return np.ascontiguousarray(rows[np.arange(most) * len(rows) // most])


def add(index, rows, step=65_536):
    for at in range(0, len(rows), step):
        index.add(np.ascontiguousarray(rows[at : at + step]))


CONTENDERS = {"faiss-flat": Flat(), "faiss-panorama": Panorama(), "faiss-hnsw": Hnsw(), "faiss-ivfpq": IvfPq()}
