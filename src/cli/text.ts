/** Text of a certain width. */

/** Characters as people count them, so that an accent or an emoji is never cut in two. Made when needed: it takes milliseconds. */
let characters: Intl.Segmenter | undefined;

/** East Asian wide characters and emoji take two columns of a terminal. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Extended_Pictographic}/u;
const ASCII = /^[\x20-\x7e]*$/;

function* pieces(text: string): Generator<[piece: string, width: number]> {
  characters ??= new Intl.Segmenter('en', { granularity: 'grapheme' });
  for (const { segment } of characters.segment(text)) yield [segment, WIDE.test(segment) ? 2 : 1];
}

/** Columns that a text takes. */
export function widthIn(text: string): number {
  if (ASCII.test(text)) return text.length;
  let width = 0;
  for (const [, one] of pieces(text)) width += one;
  return width;
}

export function cut(text: string, width: number): string {
  if (widthIn(text) <= width) return text;
  if (width < 1) return '';
  let some = '';
  let taken = 0;
  for (const [piece, one] of pieces(text)) {
    if (taken + one > width - 1) break;
    some += piece;
    taken += one;
  }
  return `${some.trimEnd()}…`;
}

export function pad(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthIn(text)));
}

/** Text from outside must not steer the terminal. */
export function printable(text: string): string {
  return text.replaceAll(/\p{C}+/gu, ' ').trim();
}

export function count(n: number): string {
  return n.toLocaleString('en-US');
}

/** 1234567 → '1.2 MB' */
export function bytes(n: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let at = 0;
  let value = n;
  for (; value >= 1000 && at < units.length - 1; at++) value /= 1000;
  return `${at === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[at]}`;
}

/** 3725 → '1 h 2 min' */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?';
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 100) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export interface TextColumn {
  name: string;
  /** Columns of numbers end where they end. */
  right?: boolean;
}

/**
 * Lines of a table that fits into `width`: columns as wide as what is in them; where that is too much, the widest give way.
 *
 * @param heading paints the first line
 */
export function textTable(
  columns: readonly TextColumn[],
  rows: readonly (readonly string[])[],
  width: number,
  heading: (text: string) => string = (text) => text,
): string[] {
  const gap = 2;
  const clean = rows.map((row) => row.map(printable));
  const wanted = columns.map(({ name }, c) => Math.max(widthIn(name), ...clean.map((row) => widthIn(row[c] ?? ''))));
  const widths = fitted(wanted, width - gap * (columns.length - 1));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, c) => {
        const text = cut(cell, widths[c]!);
        return columns[c]!.right ? ' '.repeat(widths[c]! - widthIn(text)) + text : pad(text, widths[c]!);
      })
      .filter((_, c) => widths[c]! > 0)
      .join(' '.repeat(gap))
      .trimEnd();
  return [heading(line(columns.map(({ name }) => name))), ...clean.map((row) => line(row))];
}

/** Takes from the widest until all fit. */
function fitted(wanted: readonly number[], room: number): number[] {
  const widths = [...wanted];
  for (let over = widths.reduce((sum, one) => sum + one, 0) - room; over > 0; ) {
    const widest = Math.max(...widths);
    if (widest <= 1) break;
    const next = Math.max(1, ...widths.filter((one) => one < widest));
    const some = widths.flatMap((one, c) => (one === widest ? [c] : []));
    const take = Math.max(1, Math.min(widest - next, Math.ceil(over / some.length)));
    for (const c of some) {
      if (over <= 0) break;
      widths[c]! -= take;
      over -= take;
    }
  }
  return widths;
}
