/** Rows of a table or view of an SQLite database, through what is there: node:sqlite, better-sqlite3 or libsql. */
import { type FileHandle, open, stat } from 'node:fs/promises';
import { FunnelError } from '../../core/errors.js';
import { setOwn } from '../../core/own.js';
import { isMissing, load } from '../packages.js';
import {
  badFile,
  type FileRow,
  type OptionName,
  optionInCode,
  type Reader,
  type ReaderOptions,
  type RowChunk,
  unreadable,
  type VectorColumn,
} from './reader.js';

type Row = Record<string, unknown>;

/** Rows of a query, with integers as bigints. */
type Query = (sql: string, ...values: (number | bigint | string)[]) => Row[];

interface Connection {
  query: Query;
  loadExtension(path: string): void;
  close(): void;
}

interface Table {
  name: string;
  type: string;
  hasRowid: boolean;
  /** The rowid by which rows are found again, as the table's columns let it be called. */
  rowid: string | undefined;
  columns: readonly { name: string; type: string }[];
}

/** Rows that are read at once: by their rowid, or passed over anew each time. */
const [CHUNK, LONG_CHUNK] = [256, 4096];
const LARGEST = 9_007_199_254_740_991n;

export class SqliteReader implements Reader {
  readonly kind = 'sqlite';
  readonly columns: readonly string[];
  readonly unlisted: string | undefined;
  only: readonly string[] | undefined;

  private constructor(
    readonly path: string,
    private readonly connection: Connection,
    private readonly table: Table,
    readonly total: number,
    private readonly vectors: ReadonlyMap<string, VectorColumn>,
    readonly option: OptionName,
  ) {
    const names = table.columns.map(({ name }) => name);
    this.unlisted = table.hasRowid && !names.some((name) => /^rowid$/i.test(name)) ? 'rowid' : undefined;
    this.columns = this.unlisted === undefined ? names : [...names, this.unlisted];
  }

  /** @throws FunnelError MISSING_PACKAGE, BAD_ARGUMENT: no such table, or one of several that nobody named; CORRUPT, DISK */
  static async open(path: string, { table, option = optionInCode }: ReaderOptions = {}): Promise<SqliteReader> {
    await checkWhole(path);
    const connect = await connecting();
    let connection: Connection | undefined;
    try {
      connection = connect(path);
      // Readers of a moment: what others write meanwhile is not seen.
      for (const sql of ['pragma query_only = on', 'begin']) connection.query(sql);
      const found = tableOf(connection.query, path, table, option);
      if (/\busing\s+vec0\b/i.test(sqlOf(connection.query, found.name))) await loadVec(connection);
      const described = columnsOf(connection.query, found);
      const count = connection.query(`select count(*) as n from ${quoted(found.name)}`)[0]?.['n'];
      const vectors = new Map(
        described.columns.map((column) => [column.name, vectorsOf(connection!.query, found.name, column)]),
      );
      return new SqliteReader(path, connection, described, Number(count), vectors, option);
    } catch (cause) {
      connection?.close();
      throw told(cause, path);
    }
  }

  vectorColumn(name: string): VectorColumn | undefined {
    return this.vectors.get(name);
  }

  /** @throws FunnelError CORRUPT, DISK */
  async *read(from: number): AsyncGenerator<RowChunk> {
    const { table, path, total, only } = this;
    const names = only ?? table.columns.map(({ name }) => name);
    const { rowid } = table;
    try {
      const { query } = this.connection;
      const wide = names.map((name) => isWide(query, table.name, name));
      const cut = names.map((name) => hasNul(query, table.name, name));
      const columns = names.map((name, i) => `${cut[i] ? asJson(quoted(name)) : quoted(name)} as "${i}"`);
      const [by, where, order] =
        rowid === undefined ? ['1', '', ''] : [rowid, ` where ${rowid} > ?`, ` order by ${rowid}`];
      const select = `select ${[`${by} as "rowid"`, ...columns].join(', ')} from ${quoted(table.name)}`;
      const size = rowid === undefined ? LONG_CHUNK : CHUNK;
      let last: bigint | undefined;
      for (let first = from; ; ) {
        // Never a query that stays open: it would keep others from writing.
        const found =
          rowid === undefined || last === undefined
            ? query(`${select}${order} limit ? offset ?`, size, first)
            : query(`${select}${where}${order} limit ?`, last, size);
        const rows = found.map((row, r): FileRow => {
          const values: Row = {};
          for (const [i, name] of names.entries()) setOwn(values, name, valueIn(row[i], wide[i]!, cut[i]!));
          return { number: first + r, at: `row ${first + r} of ${path}`, values };
        });
        first += rows.length;
        last = found.at(-1)?.['rowid'] as bigint | undefined;
        yield { rows, share: rows.length < size ? 1 : Math.min(1, first / Math.max(1, total)) };
        if (rows.length < size) return;
      }
    } catch (cause) {
      throw told(cause, path);
    }
  }

  async close(): Promise<void> {
    this.connection.close();
  }
}

/** Names which package reads SQLite here. @throws FunnelError MISSING_PACKAGE */
async function connecting(): Promise<(path: string) => Connection> {
  interface Statement {
    setReadBigInts?(on: boolean): unknown;
    safeIntegers?(on: boolean): unknown;
    all(...values: unknown[]): Row[];
  }
  interface Database {
    prepare(sql: string): Statement;
    exec(sql: string): unknown;
    loadExtension(path: string): void;
    close(): void;
  }
  type Class = new (path: string, options: object) => Database;
  const by = (Database: Class, options: object) => (path: string) => {
    const database = new Database(path, options);
    const query: Query = (sql, ...values) => {
      if (!/^\s*select/i.test(sql)) {
        database.exec(sql);
        return [];
      }
      const statement = database.prepare(sql);
      statement.setReadBigInts?.(true);
      statement.safeIntegers?.(true);
      return statement.all(...values);
    };
    return {
      query,
      loadExtension: (extension: string) => database.loadExtension(extension),
      close() {
        try {
          database.exec('rollback'); // closed while a statement lives, some keep what they read locked
        } catch {
          // It was damaged, and told of already.
        }
        database.close();
      },
    };
  };
  const builtIn = process.getBuiltinModule?.('node:sqlite') as { DatabaseSync: Class } | undefined;
  if (builtIn !== undefined) return by(builtIn.DatabaseSync, { readOnly: true, allowExtension: true });
  for (const name of ['better-sqlite3', 'libsql'] as const) {
    try {
      return by((await load<{ default: Class }>(name)).default, { readonly: true, fileMustExist: true });
    } catch (error) {
      if (!isMissing(error) || name === 'libsql') throw error;
    }
  }
  throw new Error('unreachable');
}

/** @throws FunnelError BAD_ARGUMENT, CORRUPT: the file is shorter than it says; DISK */
async function checkWhole(path: string): Promise<void> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'r');
    const { size } = await file.stat();
    const head = Buffer.alloc(100);
    await file.read(head, 0, 100, 0);
    if (size < 100 || head.toString('latin1', 0, 16) !== 'SQLite format 3\0') {
      throw badFile('CORRUPT', 'an SQLite database', path, 'a file that does not begin as one');
    }
    const page = head.readUInt16BE(16) === 1 ? 65_536 : head.readUInt16BE(16);
    const stated = head.readUInt32BE(24) === head.readUInt32BE(92) ? page * head.readUInt32BE(28) : 0;
    if (size >= stated || (await walBytes(path)) > 0) return;
    throw badFile('CORRUPT', 'a whole SQLite database', path, `${size} bytes of ${stated}`);
  } catch (error) {
    throw error instanceof FunnelError ? error : unreadable(path, error);
  } finally {
    await file?.close();
  }
}

/** Bytes of the log beside a database, which has what was written to it last. */
async function walBytes(path: string): Promise<number> {
  try {
    return (await stat(`${path}-wal`)).size;
  } catch {
    return 0;
  }
}

/** @throws FunnelError BAD_ARGUMENT */
function tableOf(query: Query, path: string, given: string | undefined, option: OptionName): Table {
  const all = query('select name, type, wr from pragma_table_list where schema = ?', 'main').map((row) => ({
    name: String(row['name']),
    type: String(row['type']),
    hasRowid: row['wr'] === 0n && row['type'] !== 'view',
    rowid: row['wr'] === 0n && row['type'] === 'table' ? 'rowid' : undefined,
    columns: [],
  }));
  const own = all.filter(({ name, type }) => type !== 'shadow' && !/^sqlite_|^libsql_/i.test(name));
  const named =
    own.find(({ name }) => name === given) ?? own.find(({ name }) => given?.toLowerCase() === name.toLowerCase());
  if (named !== undefined) return named;
  if (given === undefined && own.length === 1) return own[0]!;
  const names = own.map(({ name }) => JSON.stringify(name)).join(', ') || 'none';
  const what = given === undefined ? option('table') : `a table ${JSON.stringify(given)}`;
  throw new FunnelError('BAD_ARGUMENT', `Expected ${what} for ${path}, which has ${names}`);
}

function sqlOf(query: Query, name: string): string {
  return String(query('select sql from sqlite_schema where name = ?', name)[0]?.['sql'] ?? '');
}

/** Adds the extension that reads tables of sqlite-vec. @throws FunnelError MISSING_PACKAGE */
async function loadVec(connection: Connection): Promise<void> {
  const { getLoadablePath } = await load<{ getLoadablePath(): string }>('sqlite-vec');
  connection.loadExtension(getLoadablePath());
}

function columnsOf(query: Query, table: Table): Table {
  // Generated ones are hidden, too, but as 2 and 3.
  const columns = query('select name, type from pragma_table_xinfo(?) where hidden <> 1', table.name).map((row) => ({
    name: String(row['name']),
    type: String(row['type']),
  }));
  const free = ['rowid', '_rowid_', 'oid'].find((id) => !columns.some(({ name }) => name.toLowerCase() === id));
  return { ...table, columns, rowid: table.rowid && free };
}

/** Columns have no types in SQLite, but vectors of libsql; what the first value is tells whether bytes need one. */
function vectorsOf(query: Query, table: string, { name, type }: { name: string; type: string }): VectorColumn {
  if (/^(f32_blob|float32)\b/i.test(type)) return { kind: 'bytes', words: `a column of ${type}`, type: 'float32' };
  const other = /^(f64|f16|fb16|f8|f1bit)_blob\b|^(float64|float16|floatb16|float8|float1bit)\b/i.test(type);
  if (other)
    return { kind: 'other', words: `a column of ${type} (a view of vector_extract("${name}") has it as text)` };
  const column = quoted(name);
  const sql = `select typeof(${column}) as type from ${quoted(table)} where ${column} is not null limit 1`;
  const found = query(sql)[0]?.['type'];
  if (found === 'blob') return { kind: 'bytes', words: 'a column of blobs' };
  return {
    kind: found === 'text' || found === undefined ? 'text' : 'other',
    words: `a column of ${found ?? 'nothing'}`,
  };
}

function isWide(query: Query, table: string, name: string): boolean {
  const column = quoted(name);
  const beyond = `typeof(${column}) = 'integer' and ${column} not between -${LARGEST} and ${LARGEST}`;
  return query(`select 1 as yes from ${quoted(table)} where ${beyond} limit 1`).length > 0;
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Packages end text at its first NUL. */
function hasNul(query: Query, table: string, name: string): boolean {
  const column = quoted(name);
  const has = `typeof(${column}) = 'text' and instr(${column}, char(0)) > 0`;
  return query(`select 1 as yes from ${quoted(table)} where ${has} limit 1`).length > 0;
}

function asJson(column: string): string {
  return `case typeof(${column}) when 'text' then json_quote(${column}) else ${column} end`;
}

/** @param json - whether text is JSON of it */
function valueIn(value: unknown, wide: boolean, json: boolean): unknown {
  if (typeof value === 'bigint') return wide ? value : Number(value);
  if (typeof value === 'string') return json ? JSON.parse(value) : value;
  // Each package has a class of its own for blobs.
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  return value instanceof Uint8Array ? Uint8Array.from(value) : value;
}

function told(cause: unknown, path: string): FunnelError {
  if (cause instanceof FunnelError) return cause;
  const message = String((cause as Error)?.message ?? cause);
  if (/no such (module|function|collation)/i.test(message)) {
    const what = 'a table that needs no extension (a copy of it: create table copy as select * from …)';
    return badFile('UNSUPPORTED', what, path, message, cause);
  }
  const broken = /not a database|malformed|corrupt|truncated/i.test(message);
  const what = broken ? 'a whole SQLite database' : 'a table that can be read';
  return badFile(broken ? 'CORRUPT' : 'BAD_ARGUMENT', what, path, message, cause);
}
