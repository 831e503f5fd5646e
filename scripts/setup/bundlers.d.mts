export function ensureBundlers(): Promise<string>;
