/** Rows of CSV and TSV files, through csv-parse. The first record has the names of the columns. */
import { FunnelError } from '../../core/errors.js';
import { setOwn } from '../../core/own.js';
import { type TextSource, textOf, utf8Of } from '../../store/import/encoding.js';
import { load } from '../packages.js';
import { counted } from './jsonl.js';
import {
  badFile,
  type FileRow,
  type OptionName,
  optionInCode,
  type Reader,
  type ReaderOptions,
  type RowChunk,
  type RowSource,
} from './reader.js';

type CsvParse = typeof import('csv-parse');

/** Bytes of a record; what is longer is a quote that was never closed. */
const LONGEST = 64 << 20;

interface CsvRecord {
  /** A character for each byte of UTF-8. */
  fields: string[];
  /** Line of its first character, from 1. */
  line: number;
}

export class CsvReader implements Reader {
  readonly kind = 'csv';

  private constructor(
    readonly path: string,
    private readonly csv: CsvParse,
    private readonly delimiter: string,
    private readonly source: TextSource,
    readonly columns: readonly string[],
    readonly option: OptionName,
  ) {}

  /** @throws FunnelError MISSING_PACKAGE, BAD_ARGUMENT: no header, one that is no text, or names a column twice */
  static async open(
    path: string,
    usual: string,
    { encoding, delimiter = usual, option = optionInCode }: ReaderOptions = {},
  ): Promise<CsvReader> {
    const csv = await load<CsvParse>('csv-parse');
    const source: TextSource = { name: path, option: option('encoding'), encoding };
    for await (const { records } of recordsOf(csv, path, delimiter, source)) {
      if (records.length === 0) continue;
      const { fields, line } = records[0]!;
      const names = fields.map((field, c) => text(field, `column ${c + 1} in line ${line} of ${path}`, source));
      const twice = names.find((name, i) => names.indexOf(name) !== i);
      if (twice !== undefined) {
        throw badFile('BAD_ARGUMENT', 'columns of different names', path, `${JSON.stringify(twice)} twice`);
      }
      return new CsvReader(path, csv, delimiter, source, names, option);
    }
    throw badFile('BAD_ARGUMENT', 'a first line with the names of the columns', path, 'an empty file');
  }

  async *read(from: number, onPassed?: (source: RowSource) => void): AsyncGenerator<RowChunk> {
    let number = -2; // the header is none
    for await (const { records, share } of recordsOf(this.csv, this.path, this.delimiter, this.source)) {
      const rows: FileRow[] = [];
      for (const record of records) {
        if (++number < 0) continue;
        if (number >= from) rows.push({ ...this.#row(record, number), source: sourceOf(record) });
        else onPassed?.(sourceOf(record));
      }
      yield { rows, share };
    }
  }

  #row({ fields, line }: CsvRecord, number: number): FileRow {
    const at = `line ${line} of ${this.path}`;
    const { columns } = this;
    if (fields.length !== columns.length) {
      const why = `Expected ${columns.length} columns for ${at} but received ${fields.length}`;
      return { number, at, broken: new FunnelError('BAD_ARGUMENT', why) };
    }
    const values: Record<string, unknown> = {};
    for (let c = 0; c < columns.length; c++) {
      try {
        setOwn(values, columns[c]!, text(fields[c]!, `${JSON.stringify(columns[c])} in ${at}`, this.source));
      } catch (error) {
        if (!(error instanceof FunnelError)) throw error;
        return { number, at, broken: error };
      }
    }
    return { number, at, values };
  }

  async close(): Promise<void> {}
}

function sourceOf({ fields }: CsvRecord): RowSource {
  return JSON.stringify(fields);
}

/** @throws FunnelError BAD_ARGUMENT */
function text(field: string, where: string, source: TextSource): string {
  return /^[\0-\x7f]*$/.test(field) ? field : textOf(Buffer.from(field, 'latin1'), where, source);
}

/**
 * Records in order, those of a chunk of the file at a time. A wrong quote ends the file: where the next record begins behind
 * it nobody can tell.
 */
async function* recordsOf(
  { parse }: CsvParse,
  path: string,
  delimiter: string,
  source: TextSource,
): AsyncGenerator<{ records: CsvRecord[]; share: number }> {
  let records: CsvRecord[] = [];
  const parser = parse({
    // Bytes as they are: csv-parse would replace those that are no text.
    encoding: 'latin1',
    delimiter: Buffer.from(delimiter),
    record_delimiter: ['\r\n', '\n', '\r'],
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: LONGEST,
    // Taken here, in place of from the stream's own end: a chunk is done with when its write is.
    on_record: (fields: string[], { lines }) => {
      const breaks = fields.reduce((sum, field) => sum + (field.match(/\r\n|\n|\r/g)?.length ?? 0), 0);
      records.push({ fields, line: lines - breaks });
      return null;
    },
  });
  parser.resume();
  let share = 0;
  const failed = new Promise<never>((_, reject) => parser.once('error', (error) => reject(brokenAt(path, error))));
  failed.catch(() => {});
  try {
    const bytes = counted(path, (read) => {
      share = read;
    });
    for await (const chunk of utf8Of(bytes, source)) {
      if (chunk.length === 0) continue;
      await Promise.race([failed, new Promise<void>((resolve) => parser.write(chunk, () => resolve()))]);
      yield { records, share };
      records = [];
    }
    await Promise.race([failed, new Promise<void>((resolve) => parser.end(() => resolve()))]);
    await Promise.race([failed, new Promise<void>((resolve) => setImmediate(resolve))]);
    yield { records, share: 1 };
  } finally {
    parser.destroy();
  }
}

function brokenAt(path: string, error: Error & { lines?: number }): FunnelError {
  const line = error.lines === undefined ? '' : `line ${error.lines} of `;
  const message = Buffer.from(error.message, 'latin1').toString('utf8');
  return new FunnelError('BAD_ARGUMENT', `Expected CSV for ${line}${path} but received ${message}`, { cause: error });
}
