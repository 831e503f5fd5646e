/** In place of hold.ts in browsers and on the edge, where nobody else writes. */

export interface Hold {
  release(): void;
}
