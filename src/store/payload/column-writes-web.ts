/** In place of column-writes.ts in browsers and on the edge, where payload indexes are only packed. */

export async function writeColumn(..._asked: unknown[]): Promise<void> {}

export function writeColumnNow(..._asked: unknown[]): void {}
