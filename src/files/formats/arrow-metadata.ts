/**
 * The descriptions of Arrow messages, read as far as where their parts lie. The package believes every length in them, so that a
 * damaged one would fill the memory; here all must lie within the description.
 */

/** The numbers that the format has for kinds of messages. */
export const [SCHEMA, DICTIONARY, BATCH] = [1, 2, 3] as const;

export interface Described {
  kind: number;
  /** Bytes behind the description. */
  body: number;
  /** Rows of a batch; 0 of others. */
  rows: number;
  /** The number of the compression; undefined: none. */
  compression: number | undefined;
  /** Whether a schema says so. */
  bigEndian: boolean;
}

/** A table of FlatBuffers: its fields by number. */
class TableView {
  readonly #fields: number;

  constructor(
    readonly view: DataView,
    readonly at: number,
  ) {
    this.#fields = at - view.getInt32(at, true);
  }

  /** Where a field lies; undefined where it is left out. */
  field(number: number): number | undefined {
    const size = this.view.getUint16(this.#fields, true);
    if (4 + 2 * number >= size) return undefined;
    const offset = this.view.getUint16(this.#fields + 4 + 2 * number, true);
    return offset === 0 ? undefined : this.at + offset;
  }

  long(number: number): number {
    const at = this.field(number);
    return at === undefined ? 0 : Number(this.view.getBigInt64(at, true));
  }

  short(number: number): number {
    const at = this.field(number);
    return at === undefined ? 0 : this.view.getInt16(at, true);
  }

  byte(number: number): number {
    const at = this.field(number);
    return at === undefined ? 0 : this.view.getUint8(at);
  }

  table(number: number): TableView | undefined {
    const at = this.field(number);
    return at === undefined ? undefined : new TableView(this.view, at + this.view.getUint32(at, true));
  }

  /** @throws RangeError: it does not lie within the description */
  vector(number: number, width: number): { at: number; length: number } {
    const at = this.field(number);
    if (at === undefined) return { at: 0, length: 0 };
    const start = at + this.view.getUint32(at, true);
    const length = this.view.getUint32(start, true);
    if (start + 4 + width * length > this.view.byteLength) throw new RangeError(`a list of ${length} parts`);
    return { at: start + 4, length };
  }

  text(number: number): string {
    const { at, length } = this.vector(number, 1);
    return Buffer.from(this.view.buffer, this.view.byteOffset + at, length).toString();
  }

  tables(number: number): TableView[] {
    const { at, length } = this.vector(number, 4);
    return Array.from({ length }, (_, i) => {
      const one = at + 4 * i;
      return new TableView(this.view, one + this.view.getUint32(one, true));
    });
  }
}

/** Fields within fields, at most. */
const DEEPEST = 64;

/** Types of the format that the package does not know, by number; those beyond came later. */
const UNREAD: Readonly<Record<number, string>> = { 22: 'run-end encoded', 25: 'list view', 26: 'large list view' };
const NEWEST_TYPE = 26;

/** A type of the format that is not read: no damage. */
export class UnreadType extends Error {
  /** @param column its name, with those of the fields down to the type */
  constructor(
    readonly column: string,
    readonly words: string,
  ) {
    super(words);
  }
}

/** @throws Error: what it says cannot be */
export function describedBy(bytes: Uint8Array): Described {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const message = new TableView(view, view.getUint32(0, true));
  const [kind, header, body] = [message.byte(1), message.table(2), message.long(3)];
  if (![SCHEMA, DICTIONARY, BATCH].includes(kind as 1)) throw new Error(`it is of kind ${kind}`);
  if (header === undefined || !Number.isSafeInteger(body) || body < 0) throw new Error(`it has ${body} bytes`);
  pairs(message, 4);
  if (kind === SCHEMA) {
    checkSchema(header);
    return { kind, body, rows: 0, compression: undefined, bigEndian: header.short(0) !== 0 };
  }
  const batch = kind === DICTIONARY ? header.table(1) : header;
  const rows = batch?.long(0) ?? -1;
  if (batch === undefined || !Number.isSafeInteger(rows) || rows < 0) throw new Error(`it has ${rows} rows`);
  batch.vector(1, 16);
  batch.vector(4, 8);
  const buffers = batch.vector(2, 16);
  for (let i = 0; i < buffers.length; i++) {
    const [offset, length] = [0, 8].map((more) => Number(view.getBigInt64(buffers.at + 16 * i + more, true)));
    if (!(offset! >= 0 && length! >= 0 && offset! + length! <= body)) {
      throw new Error(`it has a buffer of ${length} bytes at ${offset}, of ${body}`);
    }
  }
  const compression = batch.table(3)?.byte(0);
  return { kind, body, rows: kind === BATCH ? rows : 0, compression, bigEndian: false };
}

/** The description at the end of a file. @throws Error: what it says cannot be */
export function checkFooter(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const footer = new TableView(view, view.getUint32(0, true));
  const schema = footer.table(1);
  if (schema === undefined) throw new Error('it has no schema');
  checkSchema(schema);
  for (const blocks of [2, 3]) footer.vector(blocks, 24);
  pairs(footer, 4);
}

function checkSchema(schema: TableView): void {
  for (const field of schema.tables(1)) checkField(field, []);
  pairs(schema, 2);
}

/** @throws Error: what it says cannot be; UnreadType */
function checkField(field: TableView, above: readonly string[]): void {
  if (above.length === DEEPEST) throw new Error(`it has fields within fields, more than ${DEEPEST} times`);
  const path = [...above, field.text(0)];
  const type = field.byte(2);
  const unread = UNREAD[type] ?? (type > NEWEST_TYPE ? `of type ${type}` : undefined);
  if (unread !== undefined) throw new UnreadType(path.join('.'), unread);
  field.table(4);
  pairs(field, 6);
  for (const child of field.tables(5)) checkField(child, path);
}

/** Keys with values. */
function pairs(table: TableView, number: number): void {
  for (const pair of table.tables(number)) for (const text of [0, 1]) pair.vector(text, 1);
}
