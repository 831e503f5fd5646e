export function withTable(text: string, table: string): string;
export function examplesOf(text: string): { program: string; output: string }[];
