// The index part of RESULTS.md stands between marks, each set's piece between its own, so that a run replaces what it
// measured and nothing else.
const BEGIN = '<!-- index benchmark -->';
const END = '<!-- end of index benchmark -->';
const mark = (key) => `<!-- index: ${key} -->`;

/** RESULTS.md with these pieces new, in the order of `order`. */
export function withPieces(text, introduction, pieces, order) {
  const kept = piecesOf(indexPart(text));
  const all = order
    .filter((key) => pieces[key] ?? kept[key])
    .map((key) => `${mark(key)}\n\n${pieces[key] ?? kept[key]}`);
  return withIndexPart(text, [BEGIN, introduction, ...all, END].join('\n\n'));
}

/** The whole part with its marks, or ''. */
export function indexPart(text) {
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  return from === -1 || to === -1 ? '' : text.slice(from, to + END.length);
}

export function withIndexPart(text, part) {
  if (!part) return text;
  const old = indexPart(text);
  return old ? text.replace(old, () => part) : `${text.trimEnd()}\n\n${part}\n`;
}

function piecesOf(part) {
  const inside = part.replace(END, '');
  const marks = [...inside.matchAll(/<!-- index: (\w+) -->/g)];
  return Object.fromEntries(
    marks.map((match, i) => [
      match[1],
      inside.slice(match.index + match[0].length, marks[i + 1]?.index ?? inside.length).trim(),
    ]),
  );
}

/** A part with marks of its own, new or in place of the old one; the first of its kind comes behind a heading. */
export function withPart(text, name, part, heading) {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- end of ${name} -->`];
  const whole = `${begin}\n\n${part}\n\n${end}`;
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from !== -1 && to !== -1) return text.slice(0, from) + whole + text.slice(to + end.length);
  const headed = text.includes(`${heading}\n`) ? whole : `${heading}\n\n${whole}`;
  return `${text.trimEnd()}\n\n${headed}\n`;
}

const SERVERS = '## End to end on both databases';

/** The results with the servers' tables of another text in place of their like, and its introduction of them. */
export function withServerTables(text, other) {
  const [now, before] = [other, text].map(serverTables);
  const titles = [...new Set([...before.keys(), ...now.keys()])].sort((a, b) => rankOf(a) - rankOf(b));
  const kept = titles.filter((title) => now.has(title) || ![...now.keys()].some((one) => isLike(one, title)));
  const part = [SERVERS, ...kept.map((title) => now.get(title) ?? before.get(title))].join('\n\n');
  const [from, to] = rangeOf(text);
  return `${text.slice(0, from)}${part}\n\n${text.slice(to)}`;
}

const rankOf = (title) => (title === '' ? 0 : title.startsWith('### Qdrant') ? 1 : 2);
/** Tables of one database and as many dims, whatever the rows were. */
const isLike = (a, b) => [0, 1].every((i) => kindOf(a)[i] === kindOf(b)[i]);
const kindOf = (title) => [title.slice(4, 10), /\d+ dims/.exec(title)?.[0]];

function rangeOf(text) {
  const from = text.indexOf(SERVERS);
  const next = ['\n## ', `\n${BEGIN}`].map((end) => text.indexOf(end, from + 1)).filter((at) => at !== -1);
  return [from, Math.min(text.length, ...next) + (next.length > 0 ? 1 : 0)];
}

/** By title; '' is the introduction. */
function serverTables(text) {
  const part = text.slice(...rangeOf(text)).slice(SERVERS.length);
  return new Map(
    part.split(/\n(?=### )/).map((one, i) => [i === 0 ? '' : one.slice(0, one.indexOf('\n')), one.trim()]),
  );
}
