/** A call's texts in parts for the threads. */

export interface TextChunk {
  texts: readonly string[];
  /** Place of each text in the caller's list. */
  places: Uint32Array;
}

export interface ChunkRule {
  /** Texts of a chunk, at most. */
  size: number;
  /** A chunk ends earlier when it holds so much work. */
  work: number;
  /** The work of one text. */
  workOf(text: string): number;
  /** Like lengths together and the longest first, so that runs hold little padding and all threads end at about the same time. */
  byLength: boolean;
}

/** Texts that are sorted at once: some milliseconds. */
const WINDOW = 16_384;

export function* textChunks(
  texts: readonly string[],
  { size, work, workOf, byLength }: ChunkRule,
): Generator<TextChunk> {
  const window = byLength ? WINDOW : size;
  for (let from = 0; from < texts.length; from += window) {
    const places = Uint32Array.from({ length: Math.min(window, texts.length - from) }, (_, i) => from + i);
    if (byLength) places.sort((a, b) => texts[b]!.length - texts[a]!.length);
    for (let at = 0, to: number; at < places.length; at = to) {
      let held = 0;
      for (to = at; to < places.length && to - at < size && held < work; to++) held += workOf(texts[places[to]!]!);
      const some = places.slice(at, to);
      yield { texts: Array.from(some, (place) => texts[place]!), places: some };
    }
  }
}
