// A raw float32 file as rows: whole, or in blocks for sets that should not be in memory twice.
import { closeSync, openSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
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

  /** Blocks one after the other, the next one read meanwhile; the values of one are gone when the one after it is asked for. */
  async *blocks(size = 8192) {
    const file = await open(this.path, 'r');
    const room = [0, 1].map(() => new Float32Array(Math.min(size, this.count) * this.dim));
    const fill = async (from) => {
      const to = Math.min(from + size, this.count);
      const values = room[(from / size) % 2].subarray(0, (to - from) * this.dim);
      const bytes = new Uint8Array(values.buffer, 0, values.byteLength);
      for (let at = 0; at < bytes.length; ) {
        const { bytesRead } = await file.read(bytes, at, bytes.length - at, from * this.dim * 4 + at);
        if (bytesRead === 0) throw new Error(`${this.path} ends before row ${to}`);
        at += bytesRead;
      }
      return { from, to, values };
    };
    let next = fill(0);
    try {
      while (next) {
        const block = await next;
        next = block.to < this.count ? fill(block.to) : undefined;
        next?.catch(() => {}); // met when it is asked for
        yield block;
      }
    } finally {
      await next?.catch(() => {});
      await file.close();
    }
  }
}
