// In place of dist/esm/store/files/lmdb-kv.js under wine, where lmdb's own binary hangs: the same contract (src/store/files/kv.ts)
// over one file that only grows, with a commit behind the other. What the rest does with files is then the product's own code.
import fs from 'node:fs';
import { deserialize, serialize } from 'node:v8';
import { lockLost } from './errors.js';

export const lmdbKv = (path, options) => new StandIn(path, options);

/** The last writer record of a file. */
export function writerIn(path) {
  const reader = new StandIn(path, { readOnly: true });
  reader.close().now();
  return reader.writer;
}

class StandIn {
  file = 'data.mdb';
  tables = { ids: new Map(), dead: new Map(), payloads: new Map(), changes: new Map(), edits: new Map() };
  writer;
  token;
  own;
  at = 0;
  current;
  frozen = false;

  constructor(path, { readOnly }) {
    this.path = path;
    this.fd = fs.openSync(path, readOnly ? 'r' : 'a+');
    this.refresh();
  }

  /** Reads the commits that came since; one that is not all there yet comes later. */
  refresh() {
    if (this.frozen) return;
    const bytes = Buffer.alloc(fs.fstatSync(this.fd).size - this.at);
    fs.readSync(this.fd, bytes, 0, bytes.length, this.at);
    let from = 0;
    while (from + 4 <= bytes.length && from + 4 + bytes.readUInt32LE(from) <= bytes.length) {
      const to = from + 4 + bytes.readUInt32LE(from);
      this.apply(deserialize(bytes.subarray(from + 4, to)));
      from = to;
    }
    this.at += from;
  }

  apply({ state, writer, token, ...tables }) {
    if (writer !== undefined) [this.writer, this.token] = [writer ?? undefined, token];
    if (state !== undefined) this.current = Buffer.from(state);
    for (const [name, table] of Object.entries(this.tables)) {
      for (const [key, value] of tables[name] ?? []) {
        if (value === undefined) table.delete(key);
        else table.set(key, Buffer.from(value));
      }
    }
  }

  put(record) {
    const bytes = serialize(record);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    fs.writeSync(this.fd, Buffer.concat([length, bytes]));
    fs.fsyncSync(this.fd);
    this.refresh();
  }

  state() {
    this.refresh();
    return this.current;
  }

  ids = (page) => this.tables.ids.get(page);
  dead = (page) => this.tables.dead.get(page);
  payload = (ordinal) => this.tables.payloads.get(ordinal)?.subarray();
  changes = (at) => this.tables.changes.get(at);
  edits = (page) => this.tables.edits.get(page)?.subarray();

  snapshot(read) {
    this.refresh();
    const before = this.frozen;
    this.frozen = true;
    try {
      return read();
    } finally {
      this.frozen = before;
    }
  }

  claim(decide) {
    this.refresh();
    const writer = decide(this.writer);
    this.own = Math.random();
    this.put({ writer, token: this.own });
  }

  commit({ state, ids, dead, payloads, changes, edits }) {
    const now = () => {
      this.refresh();
      if (this.own === undefined || this.token !== this.own) throw lockLost();
      this.put({ state, ids, dead, payloads, changes, edits });
    };
    return { now, later: async () => now() };
  }

  // All payloads belong into the commit.
  isLong = () => ({ now: () => false, later: async () => false });
  stage = () => ({ now: () => false, later: async () => false });
  unstage = () => ({ now() {}, async later() {} });

  reopen() {}
  bytes = () => fs.fstatSync(this.fd).size;
  hasSlack = () => false;
  giveBack = () => undefined;

  async copyTo(path) {
    this.refresh();
    const other = new StandIn(path, { readOnly: false });
    other.put({ state: this.current, ...this.tables });
    other.close().now();
  }

  close() {
    const now = () => {
      if (this.fd === undefined) return;
      if (this.own !== undefined && this.token === this.own) this.put({ writer: null });
      fs.closeSync(this.fd);
      this.fd = undefined;
    };
    return { now, later: async () => now() };
  }
}
