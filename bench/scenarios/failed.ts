import { sameEndState } from '../compare.ts';
import { buildWithKib, fillCache, KIB, WARM } from '../kib.ts';
import { type Sample, spread } from '../results.ts';
import { imageWith, keep, type Scenario } from '../scenario.ts';

/** Exit codes of a build whose action failed are the program's own (docs/errors.md); that it fails is what counts. */
const FAILURES = Array.from({ length: 125 }, (_, index) => index + 1);

/** The last step fails; it is corrected, and the build is started again. */
export const resumeFailed: Scenario = {
  name: 'resume-failed',
  title: 'Resume of a failed build, until its first action runs',
  rounds: 2,
  async run(bench, rounds) {
    const home = WARM;
    const samples: Sample[] = [...(await fillCache(bench))];
    const starts: number[] = [];
    let resumed: { readonly name: string; readonly path: string } | undefined;
    for (let round = 0; round < rounds; round++) {
      const bad = imageWith(bench, 'short', 'bench-short', [`echo ${round}; exit 1`]);
      await buildWithKib(bench, { label: 'resume-failed-bad', images: [bad], home, okCodes: FAILURES });
      const good = imageWith(bench, 'short', 'bench-short', [`echo ${round} >/etc/bench-round`]);
      const run = await buildWithKib(bench, {
        label: 'resume-failed',
        subject: 'kib-native, whole resumed build',
        images: [good],
        home,
      });
      const first = Math.min(...run.actions.values());
      if (!Number.isFinite(first)) throw new Error('the resumed build ran no action');
      bench.say(`  first action after ${first.toFixed(1)} s, done after ${run.sample.seconds.toFixed(1)} s`);
      starts.push(first);
      samples.push({ subject: `${KIB}, until the first action`, seconds: first }, run.sample);
      resumed = keep(bench, 'resumed', run.images[0]);
    }
    const last = imageWith(bench, 'short', 'bench-short', [`echo ${rounds - 1} >/etc/bench-round`]);
    const cold = await buildWithKib(bench, { label: 'resume-failed-cold', images: [last], home, arguments: ['--cache', 'off'] });
    if (resumed === undefined) throw new Error('no rounds');
    const proof = await sameEndState({ a: resumed, b: keep(bench, 'cold', cold.images[0]) }, bench.signal);
    return {
      samples,
      verdicts: [{ what: 'start of the process to the first action', unit: 's', bound: 'at most', goal: 4, got: spread(starts) }],
      proofs: [proof],
    };
  },
};
