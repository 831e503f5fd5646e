/** In place of segment-writes.ts in browsers and on the edge, where codes are in memory alone. */

export async function writeBuild(..._asked: unknown[]): Promise<undefined> {}

export function writeBuildNow(..._asked: unknown[]): undefined {}

export const writeExtension = writeBuild;
