/** Answers of Qdrant to what was asked: anything else is of something in front of the server, such as a proxy. */
import { expected } from '../../core/errors.js';
import type { AnyPoint } from './from-qdrant.js';

/** For errors. */
export function answeredBy(collection: string): string {
  return `the answer of Qdrant collection ${JSON.stringify(collection)}`;
}

/** @throws FunnelError BAD_RESPONSE */
export function listIn(points: unknown, answer: unknown, collection: string): AnyPoint[] {
  if (!Array.isArray(points)) throw expected('BAD_RESPONSE', 'a list of points', answeredBy(collection), answer);
  const first: unknown = points[0];
  if (points.length > 0 && !(typeof first === 'object' && first !== null && 'id' in first)) {
    throw expected('BAD_RESPONSE', 'points with ids', answeredBy(collection), first);
  }
  return points;
}

/** As many answers as there were searches in a batch. @throws FunnelError BAD_RESPONSE */
export function batchIn<Part>(
  parts: readonly Part[] | undefined,
  searches: number,
  collection: string,
): readonly Part[] {
  if (Array.isArray(parts) && parts.length === searches) return parts;
  throw expected('BAD_RESPONSE', `answers to ${searches} searches`, answeredBy(collection), parts);
}

/** @throws FunnelError BAD_RESPONSE */
export function countIn(result: unknown, collection: string): number {
  const { count } = (result ?? {}) as { count?: unknown };
  const number = typeof count === 'bigint' ? Number(count) : count;
  if (Number.isSafeInteger(number) && (number as number) >= 0) return number as number;
  throw expected('BAD_RESPONSE', 'a count of points', answeredBy(collection), result);
}

/** The result of an answer's body. @throws FunnelError BAD_RESPONSE */
export function resultIn(body: unknown, collection: string): unknown {
  if (typeof body === 'object' && body !== null && 'result' in body) return body.result;
  throw expected('BAD_RESPONSE', 'a result', answeredBy(collection), body);
}
