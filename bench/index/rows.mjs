// A raw float32 file as rows: whole, or in blocks for sets that should not be in memory twice.
import { closeSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';

const MAX_READ = 1 << 30;

export class Rows {
  constructor({ folder, dim, count, rows = 'rows.f32' }) {
    Object.assign(this, { path: join(folder, rows), dim, count });
  }

  all() {
    return this.read(0, this.count);
  }

  read(from, to) {
    const values = new Float32Array((to - from) * this.dim);
    const bytes = new Uint8Array(values.buffer);
    const file = openSync(this.path, 'r');
    try {
      for (let at = 0; at < bytes.length; ) {
        const size = Math.min(MAX_READ, bytes.length - at);
        const got = readSync(file, bytes, at, size, from * this.dim * 4 + at);
        if (got === 0) throw new Error(`${this.path} ends before row ${to}`);
        at += got;
      }
    } finally {
      closeSync(file);
    }
    return values;
  }

  *blocks(size = 8192) {
    for (let from = 0; from < this.count; from += size) {
      const to = Math.min(from + size, this.count);
      yield { from, to, values: this.read(from, to) };
    }
  }
}
