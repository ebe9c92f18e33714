import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { buildWithKib, fillCache, KIB, WARM } from '../kib.ts';
import { type Sample, secondsOf, spread } from '../results.ts';
import type { Scenario } from '../scenario.ts';

/** The same command again. The first build is verified, since only a verified image is handed out again. */
export const noChange: Scenario = {
  name: 'no-change',
  title: 'Nothing changed, whole process',
  rounds: 5,
  async run(bench, rounds) {
    const build = { label: 'no-change', images: ['short'], home: WARM, verify: true };
    const filled = await fillCache(bench);
    const first = await buildWithKib(bench, {
      ...build,
      label: 'no-change-first',
      subject: 'build from layers, booted and judged',
    });
    const [path = ''] = first.images;
    const before = fingerprint(path);
    const samples: Sample[] = [...filled, first.sample];
    for (let round = 0; round < rounds; round++) {
      const again = await buildWithKib(bench, { ...build, keepOutput: true });
      if (!again.isUnchanged) throw new Error('the second build did not say that nothing changed');
      if (again.images[0] !== path) throw new Error(`the second build returned ${again.images[0]}, not ${path}`);
      samples.push(again.sample);
    }
    const after = fingerprint(path);
    if (after !== before) throw new Error(`${path} is another file now: ${before}, then ${after}`);
    const sums = readFileSync(`${path}.sha256`, 'utf8').split(/\s/)[0];
    if (!before.startsWith(sums ?? 'none')) throw new Error(`${path}.sha256 does not fit the file`);
    const got = spread(secondsOf(samples, KIB));
    return {
      samples,
      verdicts: [{ what: 'whole process', unit: 's', bound: 'at most', goal: 1.5, got }],
      proofs: ['The same file was returned each time, untouched, and its SHA-256 is the one beside it'],
    };
  },
};

function fingerprint(path: string): string {
  return `${createHash('sha256').update(readFileSync(path)).digest('hex')}, written ${statSync(path).mtimeMs}`;
}
