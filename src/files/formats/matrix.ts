/** Rows of files of one matrix (NumPy's, .fvecs, .fbin and others): each row is the one column `vector`. */
import { halfToFloat } from '../../core/half.js';
import { MatrixFile } from '../../store/import/matrix-file.js';
import type { MatrixFormat } from '../../store/import/matrix-layout.js';
import {
  type FileRow,
  type OptionName,
  optionInCode,
  type Reader,
  type ReaderOptions,
  type RowChunk,
  type VectorColumn,
} from './reader.js';

const CHUNK = 256;

export class MatrixReader implements Reader {
  readonly kind = 'matrix';
  readonly columns = ['vector'];
  readonly total: number;

  private constructor(
    private readonly file: MatrixFile,
    readonly option: OptionName,
  ) {
    this.total = file.rows;
  }

  static async open(
    path: string,
    format: MatrixFormat,
    { option = optionInCode }: ReaderOptions = {},
  ): Promise<MatrixReader> {
    return new MatrixReader(await MatrixFile.open(path, format), option);
  }

  get path(): string {
    return this.file.path;
  }

  usualVector(): string {
    return 'vector';
  }

  vectorColumn(name: string): VectorColumn | undefined {
    if (name !== 'vector') return undefined;
    return { kind: 'numbers', words: 'a column of list of float', dim: this.file.columns };
  }

  async *read(from: number): AsyncGenerator<RowChunk> {
    const { total, path, file } = this;
    for (let first = from; first < total; first += CHUNK) {
      const count = Math.min(CHUNK, total - first);
      const values = await file.read(first, count);
      const floats = values instanceof Float32Array ? values : Float32Array.from(values, halfToFloat);
      const rows = Array.from({ length: count }, (_, i): FileRow => {
        const vector = floats.slice(i * file.columns, (i + 1) * file.columns);
        return { number: first + i, at: `row ${first + i} of ${path}`, values: { vector } };
      });
      yield { rows, share: (first + count) / total };
    }
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}
