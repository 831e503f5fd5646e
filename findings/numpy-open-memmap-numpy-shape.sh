#!/usr/bin/env bash
# NumPy's open_memmap writes .npy files that NumPy itself cannot read, where a count of the shape is a NumPy integer.
#
# Package:    PyPI numpy 2.4.6
# Behaviour:  since NumPy 2 the repr of a NumPy integer names its type, and the header of a .npy file is a repr. numpy.save
#             writes plain integers; open_memmap passes the shape on as it was given, so the header says (np.int64(3), 2).
#             The data are whole; np.load refuses the file, since a header may hold literals alone.
# Seen:       header {'descr': '<f4', 'fortran_order': False, 'shape': (np.int64(3), 2), }; np.load: ValueError.
# Guess:      the shape is brought to plain integers on the way in, as numpy.save does.
# Who is hurt: whoever streams embeddings into one large file with the count from a NumPy array (len() of arrays is plain,
#             sum(), shape arithmetic and index arrays are not), and finds out after hours of encoding.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check numpy==2.4.6
got=$(venv/bin/python - <<'PY'
import numpy as np

count = np.array([1, 2]).sum()
rows = np.lib.format.open_memmap("rows.npy", mode="w+", dtype=np.float32, shape=(count, 2))
rows[:] = 1
rows.flush()
del rows
header = open("rows.npy", "rb").read(128)[10:].decode("latin1").strip()
try:
    np.load("rows.npy")
    loaded = "loaded"
except ValueError:
    loaded = "ValueError"
np.save("plain.npy", np.ones((count, 2), np.float32))
print(header, "|", loaded, "|", np.load("plain.npy").shape)
PY
)
echo "$got"
[ "$got" = "{'descr': '<f4', 'fortran_order': False, 'shape': (np.int64(3), 2), } | ValueError | (3, 2)" ]
