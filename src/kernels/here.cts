/** The folder of the built kernels, known to the ESM and the CommonJS build alike. */
export const here: string | undefined = typeof __dirname === 'undefined' ? undefined : __dirname;
