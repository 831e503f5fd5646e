/** Parts of a text on their way to the model, and how a pre-tokenizer cuts them. */

export interface Piece {
  text: string;
  /** Whether it begins where the whole text begins: some steps put a mark before that one alone. */
  first: boolean;
}

/** How a piece is split at the matches of a pattern. */
export type Behavior = 'Removed' | 'Isolated' | 'Contiguous' | 'MergedWithPrevious' | 'MergedWithNext';

interface Span {
  from: number;
  to: number;
  match: boolean;
}

/** @param invert - what lies between matches is what the behavior is about */
export function splitPiece(piece: Piece, pattern: RegExp, behavior: Behavior, invert = false): Piece[] {
  const spans = spansOf(piece.text, pattern, invert);
  const kept = behavior === 'Removed' ? spans.filter(({ match }) => !match) : joined(spans, behavior);
  const out: Piece[] = [];
  for (const { from, to } of kept) {
    if (to > from) out.push({ text: piece.text.slice(from, to), first: piece.first && from === 0 });
  }
  return out;
}

function spansOf(text: string, pattern: RegExp, invert: boolean): Span[] {
  const spans: Span[] = [];
  let from = 0;
  for (const found of text.matchAll(pattern)) {
    if (found.index > from) spans.push({ from, to: found.index, match: invert });
    from = found.index + found[0].length;
    spans.push({ from: found.index, to: from, match: !invert });
  }
  if (from < text.length) spans.push({ from, to: text.length, match: invert });
  return spans;
}

function joined(spans: Span[], behavior: Exclude<Behavior, 'Removed'>): Span[] {
  if (behavior === 'Isolated') return spans;
  const backwards = behavior === 'MergedWithNext';
  if (backwards) spans.reverse();
  const out: Span[] = [];
  let before = false;
  for (const span of spans) {
    const last = out[out.length - 1];
    const joins = behavior === 'Contiguous' ? span.match === before : span.match && !before;
    if (last !== undefined && joins) {
      if (backwards) last.from = span.from;
      else last.to = span.to;
    } else out.push({ ...span });
    before = span.match;
  }
  return backwards ? out.reverse() : out;
}
