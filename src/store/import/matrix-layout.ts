/** Which files of one matrix there are, and where their values lie. */
import { FunnelError, type FunnelErrorCode } from '../../core/errors.js';

/** The files of one matrix that are read, by how their names end. */
export const MATRIX_FORMATS = ['npy', 'fbin', 'u8bin', 'i8bin', 'fvecs', 'bvecs'] as const;
/** A kind of file that holds one matrix. */
export type MatrixFormat = (typeof MATRIX_FORMATS)[number];

export function matrixFormatOf(path: string): MatrixFormat | undefined {
  const extension = /[^/\\]\.([^./\\]+)$/.exec(path)?.[1]?.toLowerCase();
  return MATRIX_FORMATS.find((format) => format === extension);
}

/** Types of values. */
export type ValueType = '<f2' | '<f4' | '<f8' | 'u1' | 'i1';
export const VALUE_BYTES: Readonly<Record<ValueType, number>> = { '<f2': 2, '<f4': 4, '<f8': 8, u1: 1, i1: 1 };

/** Where the values are. */
export interface MatrixLayout {
  type: ValueType;
  rows: number;
  columns: number;
  /** Byte at which the first row begins. */
  offset: number;
  /** Bytes before the values of each row: its length, as TEXMEX has it. */
  lead: 0 | 4;
}

export function unlike(code: FunnelErrorCode, what: string, path: string, got: string): FunnelError {
  return new FunnelError(code, `Expected ${what} for ${path} but received ${got}`);
}

export function notWhole(path: string, format: MatrixFormat, why: string): FunnelError {
  return new FunnelError('CORRUPT', `Expected a whole .${format} file for ${path} but ${why}`);
}
