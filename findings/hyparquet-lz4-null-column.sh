#!/usr/bin/env bash
# hyparquet-compressors cannot read LZ4 Parquet files of pyarrow in which a row group of a column holds nulls alone.
#
# Package:    npm hyparquet 1.31.5 with hyparquet-compressors 1.1.2; files by PyPI pyarrow 26.0.1, all options by default but
#             the codec
# Behaviour:  pyarrow writes such a column a dictionary page without entries: no bytes, which LZ4 packs into one. The decoder
#             takes every block for one with a literal, and raises an error, so that none of the file can be read. The same
#             table is read with Snappy and Zstandard, and with LZ4 where the dictionary is switched off.
# Seen:       lz4: lz4 offset out of range 0; snappy: 3 rows; zstd: 3 rows; lz4 without dictionary: 3 rows.
# Guess:      read with every codec; or, after the error, that data pages of version 2 are at fault, which they are not.
# Who is hurt: whoever reads tables with optional columns that are empty for a stretch (most exports have some) in JavaScript.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check pyarrow==26.0.1
venv/bin/python - <<'PY'
import pyarrow as pa
import pyarrow.parquet as pq

table = pa.table({"id": [1, 2, 3], "note": pa.array([None, None, None], pa.string())})
for codec in ("lz4", "snappy", "zstd"):
    pq.write_table(table, f"{codec}.parquet", compression=codec)
pq.write_table(table, "lz4 without dictionary.parquet", compression="lz4", use_dictionary=False)
PY
npm init -y >/dev/null
npm install --ignore-scripts --no-audit --no-fund --silent hyparquet@1.31.5 hyparquet-compressors@1.1.2
cat > read.mjs <<'JS'
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';

const got = [];
for (const codec of ['lz4', 'snappy', 'zstd', 'lz4 without dictionary']) {
  const file = await asyncBufferFromFile(`${codec}.parquet`);
  const what = await parquetReadObjects({ file, compressors }).then(
    (rows) => `${rows.length} rows`,
    ({ message }) => message,
  );
  got.push(`${codec}: ${what}`);
}
console.log(got.join('; '));
JS
got=$(node read.mjs)
echo "$got"
[ "$got" = 'lz4: lz4 offset out of range 0; snappy: 3 rows; zstd: 3 rows; lz4 without dictionary: 3 rows' ]
