#!/usr/bin/env bash
# A database that libsql opens with readonly: true takes writes, and one that is missing is made.
#
# Package:    npm libsql 0.5.29, which is used in the place of better-sqlite3 and has its API ("better-sqlite3 compatible")
# Behaviour:  `readonly` and `fileMustExist`, options that its types declare, are taken without a word and do nothing: an insert
#             through such a handle is committed, its property `readonly` says false, and a path that does not exist becomes an
#             empty database.
# Seen:       inserted; 2 rows for the next who opens the file; readonly false; both missing files exist afterwards.
# Guess:      as better-sqlite3 does: SQLITE_READONLY at the insert, SQLITE_CANTOPEN for a missing file. A misspelled option
#             would be ignored, one of the API that is copied would not.
# Who is hurt: readers of other people's databases, which rely on the handle to change nothing; and every misspelled path,
#             which is answered with "no such table" in place of "no such file", and leaves an empty database behind.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --no-audit --no-fund --silent libsql@0.5.29
cat > try.mjs <<'JS'
import { existsSync } from 'node:fs';
import Database from 'libsql';

const made = new Database('films.db');
made.exec('create table films (id integer); insert into films values (1)');
made.close();

const reader = new Database('films.db', { readonly: true });
let write = 'inserted';
try {
  reader.exec('insert into films values (2)');
} catch (error) {
  write = `refused: ${error.code}`;
}
const told = reader.readonly;
reader.close();

const next = new Database('films.db');
const { rows } = next.prepare('select count(*) as rows from films').get();
next.close();

for (const [path, options] of [['a.db', { readonly: true }], ['b.db', { fileMustExist: true }]]) {
  try {
    new Database(path, options).close();
  } catch {
    // then it is not made either
  }
}
console.log(`${write}, ${rows} rows, readonly ${told}, a.db ${existsSync('a.db')}, b.db ${existsSync('b.db')}`);
JS
got=$(node try.mjs)
echo "$got"
[ "$got" = 'inserted, 2 rows, readonly false, a.db true, b.db true' ]
