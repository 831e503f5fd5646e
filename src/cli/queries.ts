/** A sample of queries: texts or vectors of a file, or rows of the store in their place. */
import { expected, FunnelError } from '../core/errors.js';
import { halfToFloat } from '../core/half.js';
import { seeded } from '../core/random.js';
import { ownView } from '../core/realm.js';
import type { Id } from '../core/types.js';
import { counted } from '../files/formats/jsonl.js';
import { openNeighbours } from '../files/formats/neighbours.js';
import { type Format, isText } from '../files/formats/open.js';
import { badFile, type TextOptions } from '../files/formats/reader.js';
import { Mapper, type Mapping } from '../files/mapping.js';
import type { VectorType } from '../files/vector-type.js';
import { rowsAtOnce, type Source } from '../query/source/source.js';
import { textOf } from '../store/import/encoding.js';
import { linesOf } from '../store/import/lines.js';
import { shuffled } from '../tune/session.js';
import { UsageError } from './exit.js';
import { openFile } from './files.js';
import type { ModelEmbedder } from './model.js';
import { preparedForCommand } from './prepare.js';
import type { CommandState } from './state.js';
import type { StoreSearcher } from './stores/store.js';

export interface QueryFile extends TextOptions {
  /** As rows are ingested from; or .txt, a query a line. */
  path: string;
  format?: Format;
  /** The column of texts. @default 'text', unless there is `vector` */
  text?: string[];
  /** The column of vectors. */
  vector?: string;
  vectorType?: VectorType;
  /** So many, drawn by chance. */
  limit: number;
}

export interface Queries {
  vectors: Float32Array[];
  /** In the same order. */
  texts?: string[];
  /** The place of each in its file, and how many that has. */
  rows: number[];
  total: number;
}

/** @throws FunnelError naming file and line of what is no query; UsageError */
export async function readQueries(
  file: QueryFile,
  dim: number,
  embedder: ModelEmbedder | undefined,
  signal: AbortSignal,
): Promise<Queries> {
  if (isText(file) && file.vector !== undefined) {
    throw new UsageError(`Expected no --vector for ${file.path}, which has a text a line`);
  }
  const all = isText(file) ? await textsOf(file) : await columnOf(file, dim);
  const rows = shuffled(all.length, seeded(1))
    .slice(0, file.limit)
    .sort((a, b) => a - b);
  const some = rows.map((i) => all[i]!);
  const total = all.length;
  if (some.length === 0) throw new FunnelError('BAD_ARGUMENT', `Expected queries in ${file.path} but received none`);
  if (typeof some[0] !== 'string') return { vectors: some as Float32Array[], rows, total };
  if (embedder === undefined) throw new UsageError('Expected --model beside queries that are texts');
  const texts = some as string[];
  const packed = await embedder.embed(texts, { role: 'query', signal });
  return { texts, vectors: texts.map((_, i) => packed.slice(i * dim, (i + 1) * dim)), rows, total };
}

async function textsOf({ path, encoding }: QueryFile): Promise<string[]> {
  const source = { name: path, option: '--encoding', encoding };
  const texts: string[] = [];
  let number = 0;
  for await (const line of linesOf(
    counted(path, () => {}),
    source,
  )) {
    number++;
    const text = typeof line === 'string' ? line : textOf(line, `line ${number} of ${path}`, source);
    for (const one of text.split('\r')) if (one.trim() !== '') texts.push(one.trim());
  }
  return texts;
}

async function columnOf(
  { path, format, text, vector, vectorType, ...options }: QueryFile,
  dim: number,
): Promise<(string | Float32Array)[]> {
  const reader = await openFile(path, format, options);
  const column = vector ?? (text === undefined ? reader.usualVector?.('queries') : undefined);
  const mapping: Mapping = {
    ...(column === undefined ? { text: text ?? ['text'] } : { vector: column }),
    ...(vectorType && { vectorType }),
    payload: [],
    numbers: [],
  };
  const all: (string | Float32Array)[] = [];
  try {
    const mapper = new Mapper(mapping, undefined, preparedForCommand(reader, mapping));
    for await (const { rows } of reader.read(0)) {
      for (const row of rows) {
        const { text, vector } = mapper.map(row, row.number);
        if (vector !== undefined && vector.length !== dim) {
          throw expected('BAD_DIMS', `${dim} dims`, `the query of ${row.at}`, vector);
        }
        all.push(vector ?? text!);
      }
    }
  } finally {
    await reader.close();
  }
  return all;
}

/**
 * The true neighbours of a sample, out of a file that has them query by query.
 *
 * @throws FunnelError BAD_ARGUMENT: it has them of other queries, or fewer of each; ids of this store are no numbers of rows
 */
export async function neighboursOf(
  { rows, total }: Queries,
  path: string,
  k: number,
  { state, searcher }: { state: CommandState | undefined; searcher: StoreSearcher },
): Promise<Id[][]> {
  const mapped = state?.sources.find(({ mapping }) => mapping.id !== undefined);
  if (mapped !== undefined) {
    const what = `ids that are numbers of rows, as ${path} has them,`;
    const got = `ids of the column ${JSON.stringify(mapped.mapping.id)}`;
    throw new FunnelError('BAD_ARGUMENT', `Expected ${what} for the store but received ${got}: ingest without --id`);
  }
  const stored = await searcher.count();
  const file = await openNeighbours(path);
  try {
    if (file.rows !== total) {
      throw badFile('BAD_ARGUMENT', `neighbours of ${total} queries`, path, `those of ${file.rows}`);
    }
    if (file.columns < k) {
      throw badFile('BAD_ARGUMENT', `at least ${k} neighbours a query`, path, `${file.columns}`);
    }
    const all: Id[][] = [];
    for (const row of rows) {
      const ids = await file.read(row, k);
      const beyond = ids.find((id) => id >= stored);
      if (beyond !== undefined) {
        const what = `numbers of rows below ${stored}, which the store has, in row ${row} of ${path}`;
        throw new FunnelError('BAD_ARGUMENT', `Expected ${what} but received ${beyond}`);
      }
      all.push(ids);
    }
    return all;
  } finally {
    await file.close();
  }
}

/** Rows that are looked at for a sample. */
const LOOKED_AT = 100_000;

/** Rows of the store as queries, drawn by chance from its first 100,000: each finds itself. */
export async function sampleRows(source: Source, count: number, signal: AbortSignal): Promise<Queries> {
  const random = seeded(1);
  const { dim } = await source.info({ signal });
  const sample: Float32Array[] = [];
  let seen = 0;
  let after: string | undefined;
  do {
    const page = await source.scan({ limit: rowsAtOnce(dim), signal, ...(after !== undefined && { after }) });
    const vectors = ownView(page.rows.vectors as Float32Array | Uint16Array, 'the vectors of a page');
    for (let at = 0; at < vectors.length; at += dim, seen++) {
      // Each row of those seen so far is in the sample with the same chance.
      const place = seen < count ? seen : Math.floor(random() * (seen + 1));
      if (place >= count) continue;
      const row = vectors.subarray(at, at + dim);
      sample[place] = row instanceof Uint16Array ? Float32Array.from(row, halfToFloat) : Float32Array.from(row);
    }
    after = page.next;
  } while (after !== undefined && seen < LOOKED_AT);
  const some = sample.filter((row) => row.some((x) => x !== 0));
  if (some.length === 0) throw new FunnelError('BAD_ARGUMENT', 'Expected rows in the store but it has none');
  return { vectors: some, rows: some.map((_, i) => i), total: some.length };
}
