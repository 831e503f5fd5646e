/** In place of here.ts in the CommonJS build, whose compiler refuses `import.meta`; it has `__filename`. */

export const moduleUrl: string | undefined = undefined;
