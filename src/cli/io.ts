/** The streams that a command reads and writes. Tests put their own in place. */
import type { Readable, Writable } from 'node:stream';

export interface Output extends Writable {
  isTTY?: boolean | undefined;
  columns?: number | undefined;
  rows?: number | undefined;
}

export interface Input extends Readable {
  isTTY?: boolean | undefined;
  setRawMode?(raw: boolean): unknown;
}

export interface Io {
  stdin: Input;
  stdout: Output;
  stderr: Output;
  env: Readonly<Record<string, string | undefined>>;
  /** One JSON document on stdout, and nothing else there. */
  json: boolean;
  /** Fires at the first Ctrl-C: stop where nothing is lost. */
  stop: AbortSignal;
  /** Fires at the second: stop now. */
  kill: AbortSignal;
  /** The exit code of a command that ends with a result, but not with the one that was asked for. @default 0 */
  exitCode?: number;
}

/** Ends in a line break. */
export function print(io: Io, text: string): void {
  io.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}

export function printJson(io: Io, value: unknown): void {
  print(io, jsonText(value, 2));
}

/** As JSON; what it lacks as text: the digits of a bigint, NaN and Infinity, which it would make null, bytes in base64. */
export function jsonText(value: unknown, indent = 0): string {
  const plain = (_: string, one: unknown) => {
    if (typeof one === 'bigint' || (typeof one === 'number' && !Number.isFinite(one))) return String(one);
    return one instanceof Uint8Array ? Buffer.from(one).toString('base64') : one;
  };
  return JSON.stringify(value, plain, indent);
}

/** News for people, beside the result. */
export function note(io: Io, text: string): void {
  if (!io.json) io.stderr.write(`${text}\n`);
}

type Paint = (text: string) => string;

export interface Painter {
  bold: Paint;
  dim: Paint;
  green: Paint;
  yellow: Paint;
}

/** Colours only where a person looks: on a terminal, and not against their wish (NO_COLOR). */
export function painter(stream: Output, env: Io['env']): Painter {
  const on = Boolean(stream.isTTY) && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
  const paint =
    (open: number, close: number): Paint =>
    (text) =>
      on && text !== '' ? `\x1b[${open}m${text}\x1b[${close}m` : text;
  return { bold: paint(1, 22), dim: paint(2, 22), green: paint(32, 39), yellow: paint(33, 39) };
}

/** Columns to write in: those of the terminal, else COLUMNS, else 100. */
export function widthOf(stream: Output, env: Io['env']): number {
  const given = stream.columns || Number(env['COLUMNS']);
  return Math.min(Math.max(given || 100, 20), 240);
}
