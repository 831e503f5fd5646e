export function ensureBundlers(): Promise<string>;

/** The folder that workerd is installed in. */
export function ensureWorkerd(): Promise<string>;
