// Reads binding.gyp for builds that do not go through node-gyp, so that sources and flags are written once.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../setup/steps.mjs';

const GYP_OS = { linux: 'linux', darwin: 'mac', win32: 'win' };

/**
 * The addon of one platform: every source with its flags, as gcc and clang take them.
 * @returns {{ sources: { file: string, flags: string[] }[], ldflags: string[] }}
 */
export function addonOf({ os, cpu }, text = readFileSync(join(root, 'binding.gyp'), 'utf8')) {
  const gyp = parse(text);
  const facts = { OS: GYP_OS[os], target_arch: cpu };
  const { targets, target_defaults: defaults } = flat(gyp, facts);
  const named = new Map(targets.map((target) => [target.target_name, flat(target, facts)]));
  const main = named.get('funnelvec');
  const all = [main, ...main.dependencies.map((name) => named.get(name))];
  const expand = (flags = []) =>
    flags.flatMap((flag) => {
      const variable = /^<@\((\w+)\)$/.exec(flag)?.[1];
      return variable === undefined ? [flag] : gyp.variables[variable];
    });
  const sources = all.flatMap(({ sources, cflags, cflags_cc: cc, defines = [] }) => {
    const flags = [defaults.cflags, defaults.cflags_cc, cflags, cc].flatMap(expand);
    return sources.map((file) => ({ file, flags: [...flags, ...defines.map((one) => `-D${one}`)] }));
  });
  return { sources, ldflags: main.ldflags ?? [] };
}

/** The literals of Python in that file are JavaScript's, too, but for the comments. */
function parse(text) {
  return new Function(`return (${text.replaceAll(/^\s*#.*$/gm, '')});`)();
}

/** A block with the conditions that hold merged into it. */
function flat({ conditions = [], ...block }, facts) {
  for (const [condition, then] of conditions) {
    const [, name, value] = /^(\w+)=="(\w+)"$/.exec(condition) ?? [];
    if (!(name in facts)) throw new Error(`binding.gyp: ${condition} is not a condition that gyp.mjs understands`);
    if (facts[name] !== value) continue;
    for (const [key, more] of Object.entries(flat(then, facts))) {
      block[key] = Array.isArray(more) ? [...(block[key] ?? []), ...more] : { ...block[key], ...more };
    }
  }
  return block;
}
