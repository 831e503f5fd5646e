/** Pieces of HTML. What comes from outside goes through `text`, always. */

/** Markup, in which everything from outside was escaped. */
export class Html {
  constructor(readonly markup: string) {}

  toString(): string {
    return this.markup;
  }
}

/** A template: markup stays, lists are joined, everything else is escaped. */
export function html(parts: TemplateStringsArray, ...values: unknown[]): Html {
  return new Html(parts.map((part, i) => part + (i < values.length ? piece(values[i]) : '')).join(''));
}

function piece(value: unknown): string {
  if (value instanceof Html) return value.markup;
  if (Array.isArray(value)) return value.map(piece).join('');
  return value === undefined || value === null || value === false ? '' : text(String(value));
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** As text, in elements and in quoted attributes. */
export function text(value: string): string {
  return value.replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}

/** Data for a script element: nothing in it ends the element, or a line. */
export function scriptData(value: unknown): Html {
  const escaped = (JSON.stringify(value) ?? 'null').replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return new Html(escaped);
}

/** A code base's own script or style; `</script` in a string of it must not end the element. */
export function inline(code: string): Html {
  return new Html(code.replace(/<\/(script|style)/gi, '<\\/$1').replace(/<!--/g, '<\\!--'));
}

export interface HtmlColumn<Row> {
  name: string;
  /** Numbers stand on the right. */
  number?: boolean;
  of: (row: Row) => unknown;
}

export function htmlTable<Row>(
  columns: readonly HtmlColumn<Row>[],
  rows: readonly Row[],
  marked?: (row: Row) => boolean,
): Html {
  const kind = ({ number }: HtmlColumn<Row>) => (number ? new Html(' class="number"') : '');
  return html`<div class="wide"><table><thead><tr>${columns.map((column) => html`<th${kind(column)}>${column.name}</th>`)}</tr></thead>
<tbody>${rows.map(
    (row) =>
      html`<tr${marked?.(row) ? new Html(' class="marked"') : ''}>${columns.map((column) => html`<td${kind(column)}>${column.of(row)}</td>`)}</tr>
`,
  )}</tbody></table></div>`;
}

/** Three digits that mean something. */
export function ms(value: number): string {
  if (!Number.isFinite(value)) return '–';
  return `${value >= 100 ? value.toFixed(0) : value.toPrecision(3)} ms`;
}

/** A share with as many digits as its distance from 1 needs. */
export function shareText(value: number): string {
  if (!Number.isFinite(value)) return '–';
  return value >= 0.999 && value < 1 ? value.toFixed(5) : value.toFixed(4);
}

export function countText(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 1 });
}
