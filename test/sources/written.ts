/** Collections as other packages write them to Qdrant, recorded by written/record.mjs: written again, request by request. */
import { readFileSync } from 'node:fs';

export const WRITERS = ['langchain', 'llamaindex', 'mastra'] as const;

export interface WrittenPoint {
  id: string;
  vector: number[] | Record<string, number[]>;
  payload: Record<string, unknown>;
}

export interface Written {
  /** Package and version that wrote it. */
  by: string;
  /** By the name that its writer gave: where it is, and what is in it. */
  collections: Record<string, { collection: string; points: WrittenPoint[] }>;
  drop(): Promise<void>;
}

interface Request {
  method: string;
  path: string;
  body: { points?: WrittenPoint[] };
}

export async function written(url: string, writer: (typeof WRITERS)[number]): Promise<Written> {
  const [head, ...lines] = readFileSync(`test/sources/written/${writer}.jsonl`, 'utf8').trimEnd().split('\n');
  const { package: name, version } = JSON.parse(head!) as { package: string; version: string };
  const collections: Written['collections'] = {};
  for (const line of lines) {
    const { method, path, body } = JSON.parse(line) as Request;
    const given = /^\/collections\/(\w+)/.exec(path)![1]!;
    const own = `written_${given}_${process.pid}_${counter++}`;
    const place = (collections[given] ??= { collection: own, points: [] });
    const { pathname, search } = new URL(path.replace(given, place.collection), url);
    const answer = await fetch(new URL(pathname + search, url), {
      method,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    place.points.push(...(body.points ?? []));
  }
  return {
    by: `${name} ${version}`,
    collections,
    async drop() {
      for (const { collection } of Object.values(collections)) {
        await fetch(new URL(`/collections/${collection}`, url), { method: 'DELETE' });
      }
    },
  };
}

let counter = 0;
