// For --import: what test/mastra pins is found where test/adapters/mastra.test.ts has it installed, by whoever imports it.
import { registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';

const from = pathToFileURL(`${process.env.MASTRA_FOLDER}/`).href;
registerHooks({
  resolve(specifier, context, next) {
    const pinned = /^(?:@mastra\/|mingo(?:\/|$))/.test(specifier) && !context.parentURL?.includes('/node_modules/');
    return next(specifier, pinned ? { ...context, parentURL: `${from}child.js` } : context);
  },
});
