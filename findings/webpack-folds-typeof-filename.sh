#!/usr/bin/env bash
# webpack answers `typeof __filename` at build time, and writes an ES module in which __filename does not exist.
#
# Package:    npm webpack 5.113.0, target node, ES module output
# Behaviour:  code that asks `typeof __filename === 'string'` before it uses the name, as code for both module systems does,
#             loses its question: the condition becomes true, the other branch is dropped, and the name itself stays as it is.
#             The build has no error and no warning. The bundle ends in a ReferenceError at load.
# Seen:       built without a warning; ReferenceError: __filename is not defined in ES module scope.
# Guess:      the question is left for run time, or both it and the name are replaced.
# Who is hurt: authors of packages with binaries or worker files, which look for their own folder in either module system, and
#             their users, who meet the error in deployment only.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --ignore-scripts --no-audit --no-fund --silent webpack@5.113.0
cat > place.mjs <<'JS'
console.log(typeof __filename === 'string' ? `in the file ${__filename}` : 'in no file');
JS
cat > build.cjs <<'JS'
const webpack = require('webpack');
const output = { path: `${__dirname}/out`, filename: 'place.mjs', module: true, library: { type: 'module' } };
webpack({ mode: 'production', target: 'node', entry: './place.mjs', output, experiments: { outputModule: true } }, (error, stats) => {
  console.log(error || stats.hasErrors() || stats.hasWarnings() ? 'told' : 'built without a warning');
});
JS
got="$(node build.cjs); $(node place.mjs); $( (node out/place.mjs || true) 2>&1 | grep -o '^ReferenceError: .*')"
echo "$got"
[ "$got" = 'built without a warning; in no file; ReferenceError: __filename is not defined in ES module scope' ]
