/** In place of inline.ts in browsers and on the edge, where every search is on the calling thread. */

export class InlineSearches {}
