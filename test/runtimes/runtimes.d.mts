/** The answer of a runtime to one check. */
export interface Told {
  ok: boolean;
  why?: string;
  /** A hash of the answer; '-' where the runtime has no such thing. */
  digest?: string;
}
export interface Probed {
  answers: Record<string, Told>;
  ended: number | string;
  stderr: string;
  version: string;
}
export const RUNTIMES: Record<string, { package: string; version: string; binary: string; args: string[] }>;
export function installed(name: string): Promise<string>;
export function project(home: string): Promise<string>;
export function probed(
  name: string,
  home: string,
  env?: Record<string, string>,
  checks?: readonly string[],
): Promise<Probed>;
export function matrixOf(found: Record<string, Probed>): string;
export function differing(found: Record<string, Probed>): [string, string][];
