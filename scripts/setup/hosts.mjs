// Files that have another in their place in browsers (`X-web.ts` for `X.ts`), in workerd (`X-workerd.ts`) or in bundles (`X-bundled.ts`). Sources import
// `X.js`; in the package it is imported by a name of `imports` in package.json, whose conditions choose.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { filesUnder } from './steps.mjs';

const STAND_IN = /-(web|workerd|bundled)\.(js|ts)$/;
const IMPORT = /(from |import\()(['"])(\.[^'"]+)\.js\2/g;

/** Whether a file stands in for another. */
export const isStandIn = (file) => STAND_IN.test(file);

/** Rewrites imports of such files within compiled ES modules. */
export function nameHosts(folder) {
  for (const file of filesUnder(folder, (name) => name.endsWith('.js') && !isStandIn(name))) {
    const text = readFileSync(file, 'utf8');
    const named = text.replace(IMPORT, (whole, before, quote, path) => {
      const target = join(dirname(file), path);
      if (!['web', 'workerd', 'bundled'].some((host) => existsSync(`${target}-${host}.js`))) return whole;
      return `${before}${quote}#host/${relative(folder, target).replaceAll('\\', '/')}${quote}`;
    });
    if (named !== text) writeFileSync(file, named);
  }
}
