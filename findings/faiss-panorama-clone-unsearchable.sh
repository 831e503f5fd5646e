#!/usr/bin/env bash
# The clone of a Panorama IVF index of faiss reports all rows and raises at every search; a saved and loaded one is whole.
#
# Package:    PyPI faiss-cpu 1.15.1 (numpy 2.4.6)
# Behaviour:  `clone_index` of "IVF32,FlatPanorama8" copies the inverted lists into plain ones, without the level-wise layout and the
#             cumulative sums that the pruning of prefixes reads. ntotal and the type of the clone are right, and `add` to it
#             even takes rows without a word. Serialising and reading back keeps the layout.
# Seen:       clone: IndexIVFFlatPanorama, 2000 rows, every search raises "IndexIVFFlatPanorama requires
#             ArrayInvertedListsPanorama", before and after rows are added. Read back: the answers of the original, to the bit.
#             "IVF32,Flat" cloned: the same answers.
# Guess:      a clone answers as its original does, as with every other index of the factory that was tried.
# Who is hurt: who clones an index to change the copy (removing, merging, one clone for each thread) and moves it to the levels that
#             are made for Matryoshka rows: building and cloning succeed, and the first query of production fails.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check faiss-cpu==1.15.1 numpy==2.4.6
cat > try.py <<'PY'
import faiss
import numpy as np

faiss.omp_set_num_threads(1)
random = np.random.default_rng(1)
rows = random.standard_normal((2000, 64)).astype("float32")
queries = rows[:20] + random.standard_normal((20, 64)).astype("float32") / 10


def tell(name, index, expected):
    try:
        scores, found = index.search(queries, 10)
        same = all(np.array_equal(a, b) for a, b in zip((scores, found), expected))
        answer = "same answers" if same else "other answers"
    except RuntimeError as error:
        answer = str(error).rsplit("failed: ", 1)[-1]
    print(f"{name}: {type(faiss.downcast_index(index)).__name__}, {index.ntotal} rows, {answer}")


for factory in ["IVF32,Flat", "IVF32,FlatPanorama8"]:
    index = faiss.index_factory(64, factory)
    index.train(rows)
    index.add(rows)
    index.nprobe = 32
    expected = index.search(queries, 10)
    read = faiss.deserialize_index(faiss.serialize_index(index))
    copy = faiss.clone_index(index)
    tell("read back", read, expected)
    tell("cloned", copy, expected)
    copy.add(rows[:10] + 100)  # far from every query
    tell("cloned, then more rows", copy, expected)
PY
got=$(venv/bin/python try.py 2>/dev/null | grep -v '^WARNING')
echo "$got"
[ "$got" = 'read back: IndexIVFFlat, 2000 rows, same answers
cloned: IndexIVFFlat, 2000 rows, same answers
cloned, then more rows: IndexIVFFlat, 2010 rows, same answers
read back: IndexIVFFlatPanorama, 2000 rows, same answers
cloned: IndexIVFFlatPanorama, 2000 rows, IndexIVFFlatPanorama requires ArrayInvertedListsPanorama
cloned, then more rows: IndexIVFFlatPanorama, 2010 rows, IndexIVFFlatPanorama requires ArrayInvertedListsPanorama' ]
