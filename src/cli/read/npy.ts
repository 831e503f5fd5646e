/** Rows of NumPy files: one matrix, of which each row is the one column `vector`. */
import { halfToFloat } from '../../core/half.js';
import { NpyFile } from '../../store/import/npy.js';
import type { FileRow, Reader, RowChunk } from './reader.js';

const CHUNK = 256;

export class NpyReader implements Reader {
  readonly kind = 'npy';
  readonly columns = ['vector'];
  readonly total: number;

  private constructor(private readonly file: NpyFile) {
    this.total = file.rows;
  }

  static async open(path: string): Promise<NpyReader> {
    return new NpyReader(await NpyFile.open(path));
  }

  get path(): string {
    return this.file.path;
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
