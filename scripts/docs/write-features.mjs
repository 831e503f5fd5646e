// Writes the table of docs/requests.md; with --outputs also what its examples print, to be read before it is believed.
// Needs the build and the compiled tests (npm test -- docs makes both).
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { run } from '../../test/docs/examples.mjs';
import { examplesOf, withTable } from '../../test/docs/features.mjs';

const { featureTable } = await import(pathToFileURL(resolve('build/test/sources/feature-table.js')).href);
const path = resolve('docs/requests.md');
let text = withTable(readFileSync(path, 'utf8'), featureTable());
if (process.argv.includes('--outputs')) {
  const outputs = examplesOf(text).map(({ program }) => {
    const { stdout, stderr } = run(program);
    if (stderr !== '') throw new Error(stderr);
    return stdout;
  });
  text = text.replace(/```text\n[\s\S]*?```/g, () => `\`\`\`text\n${outputs.shift()}\`\`\``);
}
writeFileSync(path, text);
