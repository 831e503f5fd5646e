// The order of files in an archive. Gzip looks 32 kB back: a file next to those that have most of its text costs least.

/** Bytes that gzip looks back, less some for the matches that end within a file. */
const WINDOW = 30_000;
/** Bytes of a gram, and the share of all grams that stand for a file: one of four tells as well, in a quarter of the time. */
const [GRAM, ONE_OF] = [6, 4];
const PRIME = 0x9e3779b1;

/**
 * Greedily: after each unit comes the one of which most is among the last ones already, by the grams that both have. The square
 * root of its own number keeps large units from always coming first. The same units give the same order.
 *
 * @param {{ text: Uint8Array, size: number }[]} units what must stay together, with its text once, and its bytes in the archive
 * @returns the units, in the order in which an archive of them is small
 */
export function bySharedText(units) {
  const grams = units.map(({ text }) => [...gramsOf(text)]);
  const having = new Map(); // units by gram
  grams.forEach((some, unit) => {
    for (const gram of some) having.set(gram, [...(having.get(gram) ?? []), unit]);
  });
  const inWindow = new Map(); // how many of the last units have a gram
  const shared = new Uint32Array(units.length); // grams of a unit that the last ones have
  const change = (unit, by) => {
    for (const gram of grams[unit]) {
      const before = inWindow.get(gram) ?? 0;
      inWindow.set(gram, before + by);
      if (before === 0 || before + by === 0) for (const other of having.get(gram)) shared[other] += by;
    }
  };

  const left = new Set(units.keys());
  const order = [];
  let [oldest, bytes] = [0, 0];
  for (let next = 0; left.size > 0; ) {
    left.delete(next);
    order.push(next);
    change(next, 1);
    bytes += units[next].size;
    for (; bytes > WINDOW && oldest < order.length - 1; oldest++) {
      change(order[oldest], -1);
      bytes -= units[order[oldest]].size;
    }
    let most = -1;
    for (const unit of left) {
      const share = shared[unit] / Math.sqrt(grams[unit].length + 1);
      if (share > most) [next, most] = [unit, share];
    }
  }
  return order.map((unit) => units[unit]);
}

/** Hashes of a text's grams, a sample that is the same for equal grams. */
function gramsOf(text) {
  const some = new Set();
  for (let at = 0; at + GRAM <= text.length; at++) {
    let hash = 0;
    for (let i = 0; i < GRAM; i++) hash = (Math.imul(hash, 31) + text[at + i]) | 0;
    hash = Math.imul(hash ^ (hash >>> 15), PRIME) >>> 10;
    if (hash % ONE_OF === 0) some.add(hash);
  }
  return some;
}
