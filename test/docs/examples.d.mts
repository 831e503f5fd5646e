export function examplesIn(text: string): RegExpMatchArray[];
export function run(code: string): { stdout: string; stderr: string };
