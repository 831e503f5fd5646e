"""ScaNN as its users call it: a tree over principal dims, whose codes are scanned, and rows reordered."""

import os
import sys
from importlib.metadata import version as version_of

import numpy as np
from scann import scann_ops_pybind

K = 10
HEAD = 128
"""Principal dims that are coded, one a block."""
LARGE = 200_000
"""Rows above which there are more leaves. Fewer it would scan without a tree, but on 20,000 rows a tree is faster, and its
codes of principal dims need one."""


def version():
    return {"scann": version_of("scann"), "python": sys.version.split()[0]}


class Scann:
    def leaves(self, job):
        return 2000 if job["count"] > LARGE else 256

    def about(self, job):
        return f"inner product on normalised rows; {self.leaves(job)} leaves over {HEAD} principal dims, SOAR, one dim a block"

    def build(self, rows, job):
        sample = 100_000
        builder = scann_ops_pybind.builder(np.ascontiguousarray(rows), K, "dot_product")
        builder = builder.set_n_training_threads(job["threads"]).pca(HEAD, None, None)
        leaves = self.leaves(job)
        builder = builder.tree(leaves, 32, training_sample_size=sample, soar_lambda=1.5, overretrieve_factor=2.0)
        return builder.score_ah(1, anisotropic_quantization_threshold=0.2).reorder(100).build()

    def save(self, index, file):
        os.makedirs(file, exist_ok=True)
        index.serialize(file)

    def load(self, file):
        return scann_ops_pybind.load_searcher(file)

    def settings(self, job):
        pairs = [(8, 24), (16, 24), (32, 32), (64, 32), (128, 48), (200, 64)]
        if job["count"] > LARGE:
            pairs = [(8, 24), (16, 32), (24, 32), (32, 48), (64, 64), (128, 64), (256, 96), (512, 128)]
        return [{"name": f"leaves {n}, reorder {rows}", "rows": rows, "leaves": n} for n, rows in pairs]

    def searcher(self, index, setting, job):
        rows, leaves = setting["rows"], setting["leaves"]

        def search(queries):
            if len(queries) > 1:
                return index.search_batched(queries, K, rows, leaves)[0]
            return index.search(queries[0], K, rows, leaves)[0][None]

        return search


CONTENDERS = {"scann": Scann()}
