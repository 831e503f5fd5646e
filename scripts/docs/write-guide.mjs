// Writes what the blocks of docs/guide.md print, to be read before it is believed. Needs the build, and starts the databases.
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { startMilvus, startQdrant } from '../../test/servers/servers.mjs';
import { blocksOf, guide, makeProject, runBlocks, upTo } from '../../test/story/guide.mjs';

const text = guide();
const blocks = blocksOf(text);
const [project, qdrant, milvus] = [await makeProject(), await startQdrant(), await startMilvus()];
try {
  const outputs = new Map();
  const print = (name, section, replace) => {
    const some = upTo(blocks, section);
    for (const [i, output] of runBlocks(project, name, some, replace).entries()) outputs.set(some[i], output);
  };
  print('embedded', undefined);
  print('qdrant', 'On Qdrant', (code) => code.replace('http://127.0.0.1:6333', qdrant.url));
  print('milvus', 'On Milvus', (code) => code.replace('127.0.0.1:19530', milvus.address));
  const said = blocks.filter(({ output }) => output !== undefined).map((block) => outputs.get(block));
  writeFileSync(
    resolve('docs/guide.md'),
    text.replace(/```text\n[\s\S]*?```/g, () => `\`\`\`text\n${said.shift()}\`\`\``),
  );
} finally {
  project.remove();
  await qdrant.stop();
  await milvus.stop();
}
process.exit();
