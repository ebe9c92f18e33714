import { describe, expect, it } from 'vitest';
import { ERROR_CODES } from '../../src/core/index.ts';
import { codeLines, readSources } from '../support/sources.ts';

const MAX_LINES = 300;

/** What only a few files may touch, and why. */
const GUARDED: readonly { readonly pattern: RegExp; readonly what: string; readonly allowed: readonly string[] }[] = [
  { what: 'console', pattern: /\bconsole\s*\.\s*(log|info|warn|error|debug|trace|dir|table)\b/, allowed: [] },
  { what: 'process.exit', pattern: /\bprocess\.exit\b(?!Code)/, allowed: ['bin/kib-native.ts'] },
  // The embedder's folders, the search path of host programs, where drivers find passwords.
  {
    what: 'process.env',
    pattern: /\bprocess\.env\b/,
    allowed: [
      'bin/kib-native.ts',
      'src/index.ts',
      'src/io/process.ts',
      'src/io/read-secret.ts',
      'src/testing/describe-driver.ts',
    ],
  },
  { what: 'signal handlers', pattern: /\bprocess\.(on|once)\(/, allowed: ['bin/kib-native.ts'] },
  { what: 'the wall clock', pattern: /\bDate\.now\(|\bnew Date\(\)/, allowed: ['src/core/clock.ts'] },
  { what: 'bare timers', pattern: /(?<![.\w])set(Timeout|Interval)\(/, allowed: ['src/core/clock.ts'] },
  { what: 'Math.random', pattern: /\bMath\.random\b/, allowed: [] },
  { what: 'default exports', pattern: /^export default\b/, allowed: [] },
];

const sources = await readSources(['bin', 'src', 'drivers', 'recipes', 'cloudinit']);

describe('source files', () => {
  it(`have at most ${MAX_LINES} lines`, async () => {
    const all = [...sources, ...(await readSources(['scripts']))];
    const long = all
      .map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
      .filter(({ lines }) => lines > MAX_LINES);
    expect(long).toEqual([]);
  });

  it.each(GUARDED)('use $what only where it belongs', ({ pattern, allowed }) => {
    const uses = sources
      .filter(({ path }) => !allowed.includes(path))
      .flatMap(({ path, text }) =>
        codeLines(text).flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : [])),
      );
    expect(uses).toEqual([]);
  });

  it('leave nothing for later', () => {
    const marks = sources.flatMap(({ path, text }) =>
      text.split('\n').flatMap((line, index) => (/\b(TODO|FIXME|XXX|HACK)\b/.test(line) ? [`${path}:${index + 1}`] : [])),
    );
    expect(marks).toEqual([]);
  });
});

describe('error codes', () => {
  it('are all used', () => {
    const users = sources.filter(({ path }) => path !== 'src/core/error-codes.ts').map(({ text }) => text);
    const unused = Object.keys(ERROR_CODES).filter((code) => !users.some((text) => text.includes(`'${code}'`)));
    expect(unused).toEqual([]);
  });
});
