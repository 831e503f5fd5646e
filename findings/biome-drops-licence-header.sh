#!/usr/bin/env bash
# Biome's fix for an unused import takes the licence header of the file away with it.
#
# Package:    npm @biomejs/biome 2.5.15, recommended rules
# Behaviour:  where the first import of a file is not used, `biome lint --write --unsafe` removes it together with the comment
#             that stands right above it, which is the header of the file. A blank line between the two saves the comment. In
#             the middle of a file a comment above an import is one about the import; at the top it seldom is, and the
#             message speaks of the import alone ("Remove the unused imports").
# Seen:       "Fixed 1 file."; the header is gone from the file without a blank line, and kept in the other.
# Guess:      the import goes, comments at the top of a file stay, as the header of a file belongs to the file.
# Who is hurt: projects with a licence header or a description on top of each file, which lose some of them at every clean-up
#             of imports, in files that still compile and pass every test.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --no-audit --no-fund --silent @biomejs/biome@2.5.15
header='/* Copyright 2026 Example. Licensed under the MIT licence. */'
rest='import { readFileSync } from "node:fs";

export const answer = 42;'
printf '%s\n%s\n' "$header" "$rest" > close.mts
printf '%s\n\n%s\n' "$header" "$rest" > apart.mts
npx biome lint --write --unsafe close.mts apart.mts >/dev/null 2>&1
got="close: $(grep -c Copyright close.mts || true) header, $(grep -c import close.mts || true) import;"
got="$got apart: $(grep -c Copyright apart.mts || true) header, $(grep -c import apart.mts || true) import"
echo "$got"
[ "$got" = 'close: 0 header, 0 import; apart: 1 header, 0 import' ]
