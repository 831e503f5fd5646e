/** The same as here.ts for the CommonJS build, whose compiler refuses `import.meta`. */
import { pathToFileURL } from 'node:url';

export const moduleUrl: string | undefined = pathToFileURL(__filename).href;
