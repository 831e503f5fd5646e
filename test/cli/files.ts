/** Files for the command, in a folder that goes. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { FunnelIndex } from 'funnelvec/store';
import { Random } from '../random.js';

export interface Film {
  id: number;
  text: string;
  year: number;
}

const WORDS = 'alien robot winter hotel love war ship king dream dog train queen ghost summer island spy'.split(' ');

/** Equal on every machine. */
export function films(count: number, from = 0): Film[] {
  return Array.from({ length: count }, (_, i) => {
    const random = new Random(from + i + 1);
    const text = Array.from({ length: 6 }, () => random.pick(WORDS)).join(' ');
    return { id: from + i, text: `${text} ${from + i}`, year: random.int(1920, 2020) };
  });
}

export function jsonl(rows: readonly object[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}

/** A new folder, removed when the file's tests have run. */
export function tempFolder(): {
  path: (name: string) => string;
  write: (name: string, content: string | Uint8Array) => string;
} {
  const folder = mkdtempSync(join(tmpdir(), 'funnelvec-cli-'));
  after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  const path = (name: string) => join(folder, name);
  return {
    path,
    write(name, content) {
      writeFileSync(path(name), content);
      return path(name);
    },
  };
}

/** All that an index holds, in its order: what two ingests must agree on. */
export async function contentsOf(path: string): Promise<{ id: unknown; vector: number[]; payload: unknown }[]> {
  const index = await FunnelIndex.open(path, { readOnly: true });
  try {
    const all: { id: unknown; vector: number[]; payload: unknown }[] = [];
    for (let after: number | undefined, more = true; more; ) {
      const page = await index.scroll({ limit: 1000, withVector: true, ...(after !== undefined && { after }) });
      for (const { id, vector, payload } of page.points) all.push({ id, vector: Array.from(vector!), payload });
      after = page.next;
      more = after !== undefined;
    }
    return all;
  } finally {
    await index.close();
  }
}
