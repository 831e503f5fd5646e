/** Rows as lines of JSON. Empty lines are no rows. */
import { statSync } from 'node:fs';
import { expected, FunnelError } from '../../core/errors.js';
import { BULK_REMEDY, bulkAction } from '../../store/import/bulk.js';
import { type TextSource, textOf } from '../../store/import/encoding.js';
import { parseJson } from '../../store/import/json.js';
import { bytesOf, linesOf } from '../../store/import/lines.js';
import {
  type FileRow,
  type OptionName,
  optionInCode,
  type Reader,
  type ReaderOptions,
  type RowChunk,
  type RowSource,
  unreadable,
} from './reader.js';

/** Rows of a chunk. */
const CHUNK = 256;

export class JsonlReader implements Reader {
  readonly kind = 'jsonl';
  readonly option: OptionName;
  readonly #source: TextSource;

  /** @param whole whether the file may be one object instead, over many lines */
  constructor(
    readonly path: string,
    { encoding, option = optionInCode }: ReaderOptions = {},
    private readonly whole = false,
  ) {
    this.option = option;
    this.#source = { name: path, option: option('encoding'), encoding };
  }

  async *read(from: number, onPassed?: (source: RowSource) => void): AsyncGenerator<RowChunk> {
    let share = 0;
    let rows: FileRow[] = [];
    let number = -1;
    let line = 0;
    const bytes = counted(this.path, (read) => {
      share = read;
    });
    for await (const text of linesOf(bytes, this.#source)) {
      line++;
      if (typeof text === 'string' && /^\s*$/.test(text)) continue;
      if (++number < from) {
        onPassed?.(text);
        continue;
      }
      const row = this.#row(text, number, `line ${line} of ${this.path}`);
      if (number === 0) refuseBulk(row);
      if (number === 0 && this.whole && row.broken !== undefined) throw notRows(this.path, row.broken);
      rows.push(row);
      if (rows.length === CHUNK) {
        yield { rows, share };
        rows = [];
      }
    }
    yield { rows, share: 1 };
  }

  #row(line: string | Buffer, number: number, at: string): FileRow {
    try {
      const text = typeof line === 'string' ? line : textOf(line, at, this.#source);
      return { number, at, source: line, values: objectOf(text, at) };
    } catch (error) {
      if (!(error instanceof FunnelError)) throw error;
      return { number, at, source: line, broken: error };
    }
  }

  async close(): Promise<void> {}
}

/** Not a broken row: to pass over it would make nonsense of the file. @throws FunnelError BAD_ARGUMENT */
function refuseBulk({ values, at }: FileRow): void {
  const action = values && bulkAction(values);
  if (action === undefined) return;
  const got = `an action of Elasticsearch's bulk format, "${action}" (${BULK_REMEDY})`;
  throw new FunnelError('BAD_ARGUMENT', `Expected a row for ${at} but received ${got}`);
}

/** The error for a file whose first line is no object: to pass over its lines would leave nothing. */
function notRows(path: string, cause: FunnelError): FunnelError {
  const what = `one array of objects, or an object a line, for ${path}`;
  const remedy = "jq -c '.hits.hits[]', say, makes lines of what lies within an object";
  return new FunnelError('BAD_ARGUMENT', `Expected ${what} but received another (${remedy}): ${cause.message}`, {
    cause,
  });
}

function sizeOf(path: string): number {
  try {
    return Math.max(1, statSync(path).size);
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** The bytes of a file, and the share of it that was read until then, 0 to 1. @throws FunnelError BAD_ARGUMENT, CORRUPT, DISK */
export async function* counted(path: string, onRead: (share: number) => void): AsyncGenerator<Buffer> {
  const size = sizeOf(path);
  try {
    yield* bytesOf(path, (bytes) => onRead(Math.min(1, bytes / size)));
  } catch (error) {
    throw error instanceof FunnelError ? error : unreadable(path, error);
  }
}

/** @throws FunnelError BAD_ARGUMENT */
export function objectOf(text: string, at: string): Record<string, unknown> {
  let values: unknown;
  try {
    values = parseJson(text);
  } catch (cause) {
    const why = `Expected JSON for ${at} but received ${(cause as Error).message}`;
    throw new FunnelError('BAD_ARGUMENT', why, { cause });
  }
  if (typeof values === 'object' && values !== null && !Array.isArray(values)) return values as Record<string, unknown>;
  throw expected('BAD_ARGUMENT', 'an object', at, values);
}
