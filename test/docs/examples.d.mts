export function examplesIn(text: string): RegExpMatchArray[];
export function run(
  code: string,
  project?: { packages?: readonly string[]; files?: Record<string, string> },
): { stdout: string; stderr: string };
