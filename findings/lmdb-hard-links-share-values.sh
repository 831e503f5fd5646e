#!/usr/bin/env bash
# Two copies of lmdb whose files are hard links of each other, as pnpm makes them, read each other's values in one process.
#
# Package:    npm lmdb 3.5.6 (newest), put by pnpm 10.34.9 into two projects; Node.js 20 and newer, Linux
# Behaviour:  dlopen knows the two native files for one by their inode, so both copies have one addon, with one buffer for values
#             as last told by either; each copy's JavaScript has a buffer of its own, and one of them copies its values out of the
#             wrong one. Every get of that copy has the right length and the bytes of something else, without an error. Copies with files of their
#             own (npm, or pnpm with package-import-method=copy) are right in the same program.
# Seen:       by the copy that was loaded first 1,992 of 2,000 values are wrong (8 are the same by chance), by the second none; as true
#             copies none by either.
# Guess:      two copies of an addon are loaded twice or share one state; two different files with different environments
#             can be read side by side either way, as with every other store.
# Who is hurt: an application and a plugin linked into it, two projects of a monorepo in one test run, a store opened through two
#             versions of the same library: values that are whole on disk are reported as damaged where they have checksums, and are
#             taken as they are where they have none.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export HOME="$dir/home" XDG_DATA_HOME="$dir/home/data" CI=true
mkdir -p "$HOME" tool links/one links/two copies/one copies/two
npm install --prefix tool --no-audit --no-fund --no-update-notifier --silent pnpm@10.34.9
pnpm() { node "$dir/tool/node_modules/pnpm/bin/pnpm.cjs" "$@"; }
for way in links copies; do
  for project in one two; do
    echo '{ "private": true }' > "$way/$project/package.json"
    method=hardlink
    [ "$way" = copies ] && method=copy
    (cd "$way/$project" && pnpm add --silent --ignore-workspace --store-dir "$dir/store" --config.package-import-method="$method" lmdb@3.5.6)
  done
done
cat > read.mjs <<'JS'
import { createRequire } from 'node:module';
import { join } from 'node:path';

const folder = process.argv[2];
const valueOf = (key, project) => Buffer.alloc(100 + (key % 50), (key * 7 + project) % 251);
const stores = ['one', 'two'].map((project, i) => {
  const { open } = createRequire(join(folder, project, 'package.json'))('lmdb');
  return { i, db: open({ path: join(folder, `${project}.mdb`), noSubdir: true, encoding: 'binary', keyEncoding: 'uint32' }) };
});
for (const { db, i } of stores) await db.transaction(() => {
  for (let key = 0; key < 2000; key++) db.put(key, valueOf(key, i));
});
const wrong = [0, 0];
for (let key = 0; key < 2000; key++) {
  for (const { db, i } of stores) {
    const value = db.getBinary(key);
    if (value.length !== valueOf(key, i).length) throw new Error(`a value of ${value.length} bytes`);
    if (!value.equals(valueOf(key, i))) wrong[i]++;
  }
}
console.log(`wrong values: ${wrong.join(' by the first copy, ')} by the second`);
process.exitCode = Math.max(...wrong) >= 1990 ? 3 : Math.max(...wrong) === 0 ? 0 : 4;
for (const { db } of stores) await db.close();
JS
check() {
  local rc=0
  echo "as $1:"
  timeout 60 node read.mjs "$dir/$1" || rc=$?
  [ "$rc" = "$2" ] || { echo "Expected exit $2 but it was $rc"; exit 1; }
}
check copies 0
check links 3
