#!/usr/bin/env bash
# A dictionary column over a dictionary column is written to Arrow IPC without a word, and no reader takes it back.
#
# Packages:   PyPI pyarrow 26.0.1 and polars 2.1.0, npm apache-arrow 21.2.0
# Behaviour:  a label of each passage by way of the film it is from is a DictionaryArray of film numbers over a DictionaryArray
#             of labels: `DictionaryArray.from_arrays(film, label)`. In memory it answers right. `ipc.new_file` and
#             `ipc.new_stream` write it without an error, but pyarrow itself cannot read either back, and neither can the others.
#             A list between the two dictionaries (labels of a film) is written and read by pyarrow.
# Seen:       pyarrow OSError "buffer_index out of range", file and stream; polars ComputeError "out-of-spec: ExpectedBuffer";
#             apache-arrow TypeError in its VectorLoader. With a list between: the rows.
# Guess:      read back by pyarrow, since the format speaks of dictionaries inside of dictionaries and the writer takes it; a
#             reader in another language might refuse it by name.
# Who is hurt: who keeps vectors and labels in Arrow files: the write succeeds, the table is gone once the process ends, and the
#             reader's message sounds like a damaged file.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pyarrow==26.0.1 polars==2.1.0
npm init -y >/dev/null
npm install --no-audit --no-fund --silent apache-arrow@21.2.0
cat > try.py <<'PY'
import pyarrow as pa
import polars as pl

label = pa.array(['drama', 'comedy', 'drama']).dictionary_encode()
film = pa.array([0, 1, 2, 0, 1], pa.int8())
labels_of_film = pa.ListArray.from_arrays(pa.array([0, 2, 2, 3]), label)


def kept(column, new, opened, path):
    table = pa.table({'label': column})
    with pa.OSFile(path, 'wb') as sink, new(sink, table.schema) as writer:
        writer.write_table(table)
    try:
        with pa.memory_map(path) as source:
            same = opened(source).read_all().column('label').to_pylist() == column.to_pylist()
        return 'read back' if same else 'read otherwise'
    except Exception as error:
        return type(error).__name__


nested = pa.DictionaryArray.from_arrays(film, label)
listed = pa.DictionaryArray.from_arrays(film, labels_of_film)
print('in memory', nested.to_pylist() == ['drama', 'comedy', 'drama', 'drama', 'comedy'])
print('stream', kept(nested, pa.ipc.new_stream, pa.ipc.open_stream, 'films.arrows'))
print('file', kept(nested, pa.ipc.new_file, pa.ipc.open_file, 'films.arrow'))
print('with a list', kept(listed, pa.ipc.new_file, pa.ipc.open_file, 'listed.arrow'))
try:
    pl.read_ipc('films.arrow', use_pyarrow=False)
    print('polars read')
except Exception as error:
    print('polars', type(error).__name__)
PY
cat > try.mjs <<'JS'
import { readFileSync } from 'node:fs';
import { tableFromIPC } from 'apache-arrow';

try {
  tableFromIPC(readFileSync('films.arrow'));
  console.log('apache-arrow read');
} catch (error) {
  console.log('apache-arrow', error.name);
}
JS
got=$(venv/bin/python try.py; node try.mjs)
echo "$got"
[ "$got" = 'in memory True
stream OSError
file OSError
with a list read back
polars ComputeError
apache-arrow TypeError' ]
