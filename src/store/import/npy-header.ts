/** Headers of NumPy's files, of versions 1 to 3; see numpy.lib.format. */
import { type MatrixLayout, notWhole, unlike, VALUE_BYTES, type ValueType } from './matrix-layout.js';

/** The types of values that are read, by NumPy's names. */
const TYPES: Readonly<Record<string, ValueType>> = { '<f2': '<f2', '<f4': '<f4', '<f8': '<f8' };
/** 1000, np.int64(1000), or as Python 2 had it, 1000L. */
const AXIS = /^(?:(\d+)L?|[\w.]+\((\d+)\))$/;
const MAGIC = Buffer.from('\x93NUMPY', 'latin1');

/** @throws FunnelError BAD_ARGUMENT (another type or order), BAD_DIMS, CORRUPT (cut off) */
export async function npyLayout(
  read: (into: Buffer, position: number) => Promise<void>,
  size: number,
  path: string,
): Promise<MatrixLayout> {
  const start = Buffer.alloc(12);
  if (size < start.length) throw unlike('BAD_ARGUMENT', 'a .npy file', path, `${size} bytes`);
  await read(start, 0);
  if (!start.subarray(0, 6).equals(MAGIC)) throw unlike('BAD_ARGUMENT', 'a .npy file', path, 'another kind of file');
  const version = start[6]!;
  if (version < 1 || version > 3) throw unlike('BAD_ARGUMENT', 'format 1, 2 or 3 of .npy', path, `format ${version}`);
  const length = version === 1 ? start.readUInt16LE(8) : start.readUInt32LE(8);
  const from = version === 1 ? 10 : 12;
  if (length > 1 << 20 || from + length > size) throw notWhole(path, 'npy', 'its header is cut off');
  const text = Buffer.alloc(length);
  await read(text, from);
  const found = parsed(text.toString(version === 3 ? 'utf8' : 'latin1'), path);
  const offset = from + length;
  const needed = offset + found.rows * found.columns * VALUE_BYTES[found.type];
  if (size < needed) throw notWhole(path, 'npy', `it has ${size} bytes where its header says ${needed}`);
  return { ...found, offset, lead: 0 };
}

/** Python's text for a dictionary. */
function parsed(text: string, path: string): Omit<MatrixLayout, 'offset' | 'lead'> {
  const type = /['"]descr['"]\s*:\s*(['"])([^'"]*)\1/.exec(text)?.[2];
  const fortran = /['"]fortran_order['"]\s*:\s*(True|False)/.exec(text)?.[1];
  // Counts may be written as np.int64(1000), which NumPy's own reader refuses.
  const shape = /['"]shape['"]\s*:\s*\(((?:[^()]|\([^()]*\))*)\)/.exec(text)?.[1];
  if (fortran === undefined || shape === undefined) throw notWhole(path, 'npy', 'its header makes no sense');
  if (type === undefined || !Object.hasOwn(TYPES, type)) {
    const what = "values of type '<f4', '<f2' or '<f8' (numpy: matrix.astype('<f4'))";
    throw unlike('BAD_ARGUMENT', what, path, type === undefined ? 'a structured type' : `'${type}'`);
  }
  if (fortran === 'True') {
    throw unlike('BAD_ARGUMENT', 'C order (numpy: np.ascontiguousarray(matrix))', path, 'Fortran order');
  }
  const axes = shape
    .split(',')
    .map((axis) => axis.trim())
    .filter((axis) => axis !== '');
  const [rows, columns] = axes.map((axis) => {
    const [, plain, wrapped] = AXIS.exec(axis) ?? [];
    return Number(plain ?? wrapped);
  });
  if (axes.length !== 2 || !Number.isSafeInteger(rows) || !Number.isSafeInteger(columns)) {
    throw unlike('BAD_DIMS', 'a matrix of two axes', path, `the shape (${shape})`);
  }
  return { type: TYPES[type]!, rows: rows!, columns: columns! };
}
