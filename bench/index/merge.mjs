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
