#!/usr/bin/env bash
# On glibc, `deno install` also downloads the binaries of a package that are for musl.
#
# Package:    npm @deno/linux-x64-glibc 2.9.6, installing rollup 4.50.0, whose binaries are packages of their own with
#             `os`, `cpu` and `libc` in package.json, as those of sharp, swc, lightningcss and most native packages today
# Behaviour:  of the 21 binary packages Deno leaves out those of another `os` or `cpu`, and installs that of the other `libc`.
#             npm, beside it, keeps one.
# Seen:       deno: rollup-linux-x64-gnu rollup-linux-x64-musl; npm: rollup-linux-x64-gnu
# Guess:      one package. Deno reads two of the three fields that stand side by side, and it is itself distributed as
#             packages by `libc`.
# Who is hurt: images and caches, which carry every native package twice (2.0 MB each for rollup); and
#             loaders that take whichever binary is installed, which meet one that cannot be opened.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export HOME="$dir/home" DENO_DIR="$dir/deno"
mkdir -p tool deno-app npm-app "$HOME"
(cd tool && npm init -y >/dev/null && npm install --no-audit --no-fund --silent @deno/linux-x64-glibc@2.9.6)
deno=$(find "$dir/tool/node_modules" -name deno -type f | head -n 1)
echo '{ "private": true, "dependencies": { "rollup": "4.50.0" } }' | tee deno-app/package.json >npm-app/package.json
(cd deno-app && "$deno" install --quiet >/dev/null 2>&1)
(cd npm-app && npm install --no-audit --no-fund --silent)
names() { find "$1" -maxdepth 3 -path '*@rollup*' -name '*rollup-linux*' | sed 's|.*[+/]\(rollup-linux[a-z0-9-]*[a-z]\).*|\1|' | sort -u | tr '\n' ' '; }
got="deno: $(names deno-app/node_modules/.deno)npm: $(names npm-app/node_modules)"
echo "$got"
[ "$got" = 'deno: rollup-linux-x64-gnu rollup-linux-x64-musl npm: rollup-linux-x64-gnu ' ]
