import { sameEndState } from '../compare.ts';
import { buildWithKib, fillCache, WARM } from '../kib.ts';
import { ratios, type Sample, secondsOf } from '../results.ts';
import { alternate, imageWith, keep, type Scenario } from '../scenario.ts';

const ONE_BY_ONE = 'one after the other';
const PARALLEL = 'in parallel';

/** Two images whose layers are there up to the last one, which differs in each round. */
export const parallel: Scenario = {
  name: 'parallel',
  title: 'Two images in parallel against one after the other, warm',
  rounds: 2,
  async run(bench, rounds) {
    const samples: Sample[] = [...(await fillCache(bench))];
    const kept: { readonly name: string; readonly path: string }[] = [];
    let serial = 0;
    const side = (subject: string, options: readonly string[]) => async (): Promise<void> => {
      serial++;
      const pair = ['a', 'b'].map((name) =>
        imageWith(bench, 'short', `bench-${name}`, [`echo ${serial} ${name} >/etc/bench-round`]),
      );
      const { sample, images } = await buildWithKib(bench, {
        label: 'parallel',
        subject,
        images: pair,
        home: WARM,
        arguments: options,
      });
      if (images.length !== 2) throw new Error(`two images were wanted, ${images.length} came`);
      bench.say(`  ${subject}: ${sample.seconds.toFixed(1)} s`);
      samples.push(sample);
      kept.splice(0, 2, ...images.map((image, index) => keep(bench, `${subject} ${index === 0 ? 'a' : 'b'}`, image)));
    };
    await alternate(rounds, [side(ONE_BY_ONE, []), side(PARALLEL, ['--parallel', '2'])]);
    const [a, b] = kept;
    if (a === undefined || b === undefined) throw new Error('no rounds');
    const proof = await sameEndState({ a, b, changed: ['/etc/bench-round'] }, bench.signal);
    const got = ratios(secondsOf(samples, ONE_BY_ONE), secondsOf(samples, PARALLEL));
    return {
      samples,
      verdicts: [{ what: `${ONE_BY_ONE} / ${PARALLEL}`, unit: '×', bound: 'at least', goal: 1.3, got }],
      proofs: [proof],
    };
  },
};
