export function ensureBundlers(): Promise<string>;

/** The folder that workerd is installed in. */
export function ensureWorkerd(): Promise<string>;

/** The folder that Mastra is installed in. */
export function ensureMastra(): Promise<string>;
