// `npm publish` of a folder ends here: it would publish a package without binaries, a file for each module.
process.stderr.write(
  `funnelvec: Expected an archive to publish but received a clone: make them with "npm run pack:release -- --out archives" and publish
each, "npm publish --provenance archives/funnelvec-….tgz" last (CONTRIBUTING.md, Publishing)
`,
);
process.exitCode = 1;
