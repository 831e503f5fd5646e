// A set of ordinals as masks of blocks. Rows lie in an order of their own: one look-up a row.

const BLOCK_ROWS: usize = 16;

export function gatherBits(
  bits: usize,
  size: usize,
  ordinals: usize,
  rows: usize,
  alive: usize,
  blocks: usize,
  count: usize,
  mask: usize,
): void {
  for (let b: usize = 0; b < count; b++) {
    const block = <usize>load<u32>(blocks + (b << 2));
    const first = block * BLOCK_ROWS;
    const n = min(BLOCK_ROWS, rows - first);
    const at = ordinals + (first << 2);
    let found: u32 = 0;
    for (let r: usize = 0; r < n; r++) {
      const ordinal = load<u32>(at + (r << 2));
      const word = <usize>ordinal >> 4;
      if (word < size) found |= ((<u32>load<u16>(bits + (word << 1)) >> (ordinal & 15)) & 1) << (<u32>r);
    }
    store<u16>(mask + (block << 1), <u16>(found & <u32>load<u16>(alive + (block << 1))));
  }
}
