/** In place of large-map.ts in browsers and on the edge, which have no such many rows, and where every byte is loaded. */

export class LargeMap<K extends string | number | bigint | boolean, V> extends Map<K, V> {}
