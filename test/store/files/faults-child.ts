/**
 * Uses an index in every way while one system call of it fails (faults.c), and looks at the index afterwards. Told which call
 * and how by messages; says what happened, and what should not have.
 */
import { accessSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FunnelError } from 'funnelvec';
import { embeddedSource, FunnelIndex } from 'funnelvec/store';

export interface Fault {
  /** The call that fails; 0: none. */
  call: number;
  errno: number;
}

export interface Report {
  calls: number;
  /** The call and its file. */
  failed: string;
  codes: string[];
  problems: string[];
}

type Model = Map<number, number>;

const folder = process.env['FAULT_FOLDER']!;
const source = await FunnelIndex.create<{ v: number }>(':memory:', { dim: 4 });
await source.upsert(points([60, 61, 62], 9));
let made = 0;
const LATER = 99;

process.on('message', async (asked: Fault | 'look') => process.send!(await (asked === 'look' ? look() : run(asked))));
process.send!('ready');

function points(ids: number[], v: number) {
  return ids.map((id) => ({ id, vector: [id + 1, v, 1, 0.5], payload: { v, text: 'x'.repeat(50) } }));
}

/** Models that the process before may have left, if it ended in the middle: its file lists them. */
interface Left {
  path: string;
  models: [number, number][][];
}

const leftFile = `${folder}.left`;

async function look(): Promise<Report> {
  const { path, models }: Left = JSON.parse(readFileSync(leftFile, 'utf8'));
  const maybe = models.map((model) => new Map(model));
  const problems = maybe.length === 0 ? [] : await whatIsWrong(path, maybe);
  return { ...told(), codes: [], problems };
}

function told(): { calls: number; failed: string } {
  const [, calls, failed] = /^(\d+) (.*)$/.exec(readFileSync(`${folder}.told`, 'utf8'))!;
  return { calls: Number(calls), failed: failed! };
}

async function run({ call, errno }: Fault): Promise<Report> {
  const path = join(folder, `index-${process.pid}-${made++}`);
  const codes: string[] = [];
  const problems: string[] = [];
  /** States that the index may be in: a call that failed did all or nothing. */
  let models: Model[] = [new Map()];
  const leave = (maybe: Model[]) => {
    writeFileSync(leftFile, JSON.stringify({ path, models: maybe.map((model) => [...model]) }));
  };
  const attempt = async <T>(name: string, work: () => T | Promise<T>, change: (model: Model) => Model = (m) => m) => {
    leave([...models, ...models.map(change)]);
    try {
      const result = await work();
      models = models.map(change);
      leave(models);
      return result;
    } catch (error) {
      models = [...models, ...models.map(change)];
      const { code, message, stack } = error as FunnelError;
      const known = error instanceof FunnelError && /^(DISK|NOT_WRITABLE|INDEX_EXISTS|CLOSED)$/.test(code);
      if (known) codes.push(`${name}: ${code}`);
      else problems.push(`${name}: ${code} ${message}\n${stack}`);
      return undefined;
    }
  };
  const put = (ids: number[], v: number) => (model: Model) => new Map([...model, ...ids.map((id) => [id, v] as const)]);
  const without = (ids: number[]) => (model: Model) => new Map([...model].filter(([id]) => !ids.includes(id)));
  const options = { threads: 1, autoOptimize: false };
  const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

  accessSync(`/fault/${call}/${errno}`);
  let index = await attempt('create', () => FunnelIndex.create<{ v: number }>(path, { dim: 4, ...options }));
  index ??= await attempt('create again', async () => {
    try {
      return await FunnelIndex.create<{ v: number }>(path, { dim: 4, ...options });
    } catch (error) {
      if ((error as FunnelError).code !== 'INDEX_EXISTS') throw error;
      return FunnelIndex.open<{ v: number }>(path, options);
    }
  });
  if (index !== undefined) {
    const one = index;
    await attempt('upsert', () => one.upsert(points(range(0, 30), 1)), put(range(0, 30), 1));
    await attempt('upsertSync', () => one.upsertSync(points([1, 40], 2)), put([1, 40], 2));
    await attempt('createPayloadIndex', () => one.createPayloadIndex('v', 'integer'));
    await attempt('delete', () => one.delete(range(10, 22)), without(range(10, 22)));
    await attempt('optimize', () => one.optimize());
    await attempt('query', () =>
      one.query({ vector: [1, 2, 3, 4], filter: { must: { key: 'v', match: { value: 1 } } } }),
    );
    await attempt(
      'syncFrom',
      () => one.syncFrom(embeddedSource(source), { prune: false, withPayload: true }),
      put([60, 61, 62], 9),
    );
    await attempt('read', async () => {
      const reader = await FunnelIndex.open(path, { readOnly: true, memory: 1, ...options });
      await reader.query({ vector: [1, 2, 3, 4], mode: 'exact' });
      await reader.close();
    });
    await attempt('optimizeSync', () => one.optimizeSync());
    await attempt('close', () => one.close());
  }
  const again = await attempt('open', () => FunnelIndex.open(path, { memory: 1, ...options }));
  if (again !== undefined) {
    await attempt('query', () => again.querySync({ vector: [1, 2, 3, 4] }));
    await attempt('deleteSync', () => again.deleteSync([0]), without([0]));
    await attempt('closeSync', () => again.closeSync());
  }
  accessSync('/fault/told');
  problems.push(...(await whatIsWrong(path, models)));
  return { ...told(), codes, problems };
}

async function whatIsWrong(path: string, models: Model[]): Promise<string[]> {
  const problems: string[] = [];
  const options = { threads: 1, autoOptimize: false };
  try {
    // It may have ended before the index was there.
    const isThere = existsSync(join(path, 'data.mdb')) || models.every(({ size }) => size > 0);
    const found = isThere
      ? await FunnelIndex.open<{ v: number }>(path, options)
      : await FunnelIndex.create<{ v: number }>(path, { dim: 4, ...options });
    const { points: all } = await found.scroll({ limit: 1000, withVector: true });
    const has = new Map(all.map(({ id, payload }) => [id as number, payload!.v]));
    has.delete(LATER); // of a process that ended while it looked
    const same = (model: Model) => model.size === has.size && [...model].every(([id, v]) => has.get(id) === v);
    if (!models.some(same)) problems.push(`it holds ${JSON.stringify([...has])}`);
    for (const { id, vector } of all) if (vector![0] !== (id as number) + 1) problems.push(`row ${id} has ${vector}`);
    await found.upsert(points([LATER], 3));
    await found.optimize();
    const { hits } = await found.query({ vector: [1, 2, 3, 4], limit: 1000, mode: 'exact' });
    if (hits.length !== has.size + 1) problems.push(`${hits.length} hits of ${has.size + 1}`);
    await found.close();
  } catch (error) {
    problems.push(`afterwards: ${(error as Error).stack}`);
  }
  writeFileSync(leftFile, JSON.stringify({ path, models: [] })); // nothing is left to look at
  rmSync(path, { recursive: true, force: true, maxRetries: 5 });
  return problems;
}
