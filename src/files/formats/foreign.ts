/** Files of other formats, by how they end or begin, and the line of Python that makes one of them that can be read. */
import { closeSync, openSync, readSync } from 'node:fs';
import { basename, extname } from 'node:path';
import type { OptionName } from './reader.js';

export interface Foreign {
  extensions: readonly string[];
  /** The format, for people. */
  name: string;
  /** The first bytes, where nothing else begins so. */
  magic?: string;
  /** The extension of what is made. */
  to: 'parquet' | 'npy' | 'csv';
  /** A line of Python, of two paths in quotes. */
  python: (from: string, to: string) => string;
}

const NPY = 'import numpy as np';

export const FOREIGN: readonly Foreign[] = [
  {
    extensions: [],
    name: 'a Feather file of version 1',
    magic: 'FEA1\0\0\0\0',
    to: 'parquet',
    python: (from, to) =>
      `import pyarrow.feather as f, pyarrow.parquet as q; q.write_table(f.read_table(${from}), ${to})`,
  },
  {
    extensions: ['.lance'],
    name: 'a Lance dataset',
    to: 'parquet',
    python: (from, to) => `import lance, pyarrow.parquet as q; q.write_table(lance.dataset(${from}).to_table(), ${to})`,
  },
  {
    extensions: ['.vortex', '.vtx'],
    name: 'a Vortex file',
    to: 'parquet',
    python: (from, to) =>
      `import vortex, pyarrow.parquet as q; q.write_table(vortex.open(${from}).to_arrow().read_all(), ${to})`,
  },
  {
    extensions: ['.orc'],
    name: 'an ORC file',
    to: 'parquet',
    python: (from, to) => `import pyarrow.orc as o, pyarrow.parquet as q; q.write_table(o.read_table(${from}), ${to})`,
  },
  {
    extensions: ['.avro'],
    name: 'an Avro file',
    magic: 'Obj\x01',
    to: 'parquet',
    python: (from, to) => `import polars; polars.read_avro(${from}).write_parquet(${to})`,
  },
  {
    extensions: ['.ivecs'],
    name: 'lists of integers as of TEXMEX, which are the true neighbours of queries and no vectors where .fvecs lie beside',
    to: 'npy',
    python: (from, to) =>
      `${NPY}; a = np.fromfile(${from}, "<i4"); np.save(${to}, a.reshape(-1, a[0] + 1)[:, 1:].astype("f4"))`,
  },
  {
    extensions: ['.npz'],
    name: 'an archive of NumPy files',
    to: 'npy',
    python: (from, to) => `${NPY}; a = np.load(${from}); np.save(${to}, a[a.files[0]])`,
  },
  {
    extensions: ['.zarr'],
    name: 'a Zarr array',
    to: 'npy',
    python: (from, to) => `import zarr, numpy as np; np.save(${to}, zarr.open(${from})[:])`,
  },
  {
    extensions: ['.duckdb'],
    name: 'a DuckDB database (with a table "documents", say)',
    to: 'parquet',
    python: (from, to) => `import duckdb; duckdb.connect(${from}).table("documents").write_parquet(${to})`,
  },
  {
    extensions: ['.xlsx', '.xls', '.ods'],
    name: 'a spreadsheet',
    to: 'csv',
    python: (from, to) => `import pandas as pd; pd.read_excel(${from}).to_csv(${to}, index=False)`,
  },
  {
    extensions: ['.pt', '.pth'],
    name: 'a PyTorch file',
    to: 'npy',
    python: (from, to) => `import torch, numpy as np; np.save(${to}, torch.load(${from}, "cpu").float().numpy())`,
  },
  {
    extensions: ['.safetensors'],
    name: 'a safetensors file',
    to: 'npy',
    python: (from, to) =>
      `import numpy as np, safetensors.numpy as s; np.save(${to}, next(iter(s.load_file(${from}).values())))`,
  },
  {
    extensions: ['.pkl', '.pickle'],
    name: 'a pickle',
    to: 'parquet',
    python: (from, to) => `import pandas as pd; pd.DataFrame(pd.read_pickle(${from})).to_parquet(${to})`,
  },
];

/** Tells in a sentence how to convert a file of this name, if its format is a foreign one. */
export function hintByName(path: string): string | undefined {
  const extension = extname(path).toLowerCase();
  const foreign = FOREIGN.find(({ extensions }) => extensions.includes(extension));
  return foreign && hint(foreign, path);
}

/** The same hint by the first bytes of a file. @returns undefined too where it cannot be read */
export function hintByContent(path: string, format: string, option: OptionName): string | undefined {
  const start = startOf(path);
  for (const [own, magic] of [
    ['parquet', 'PAR1\x15'],
    ['npy', '\x93NUMPY'],
    ['arrow', 'ARROW1\0\0'],
    ['hdf5', '\x89HDF\r\n\x1a\n'],
    ['sqlite', 'SQLite format 3\0'],
  ]) {
    if (format !== own && start.startsWith(magic!)) return `a file of another format: ${option('format', own)}`;
  }
  const foreign = FOREIGN.find(({ magic }) => magic !== undefined && start.startsWith(magic));
  if (foreign !== undefined) return hint(foreign, path);
  if (start.startsWith('PK\x03\x04')) return 'a ZIP archive, as .npz, .xlsx and .pt files are: name it so for advice';
  return undefined;
}

function hint({ name, to, python }: Foreign, path: string): string {
  const made = `${basename(path.replace(/[\\/]+$/, ''), extname(path))}.${to}`;
  return `${name}. In Python: ${python(JSON.stringify(path), JSON.stringify(made))}`;
}

function startOf(path: string): string {
  const bytes = Buffer.alloc(16);
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    return bytes.toString('latin1', 0, readSync(file, bytes, 0, bytes.length, 0));
  } catch {
    return '';
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
