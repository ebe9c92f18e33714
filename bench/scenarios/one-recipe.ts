import { sameEndState } from '../compare.ts';
import { buildWithKib } from '../kib.ts';
import { PEER } from '../packer.ts';
import { ratios, type Sample, secondsOf, spread } from '../results.ts';
import { imageWith, keep, type Scenario } from '../scenario.ts';

const LAST = 'kib-native, last recipe changed';
const MIDDLE = 'kib-native, middle recipe changed';
const DROP_IN = '/etc/systemd/system/containerd.service.d/10-kib.conf';

/** What one does all day: a change in one recipe, then build. Packer has no layers, so its time is that of a cold build. */
export const oneRecipe: Scenario = {
  name: 'one-recipe',
  title: 'One recipe changed, the last or the middle one, of the whole task list',
  rounds: 3,
  async run(bench, rounds, earlier) {
    const peer = secondsOf(earlier.get('cold-whole')?.samples ?? [], PEER);
    if (peer.length === 0) throw new Error('one-recipe is measured against the peer’s time in cold-whole: run that first');
    const home = 'one-recipe';
    const build = async (subject: string, label: string, image: string, vars: readonly string[] = []) => {
      const { sample, images } = await buildWithKib(bench, { label: `${home}-${label}`, subject, images: [image], home, vars });
      bench.say(`  ${subject}: ${sample.seconds.toFixed(1)} s`);
      return { sample, image: keep(bench, subject, images[0]) };
    };
    const first = await build('first build, which fills the cache', 'first', 'whole');
    const samples: Sample[] = [first.sample];
    const proofs: string[] = [];
    for (let round = 0; round < rounds; round++) {
      const changed = imageWith(bench, 'whole', 'bench-whole', [`echo ${round} >/etc/bench-round`]);
      const last = await build(LAST, 'last', changed);
      const middle = await build(MIDDLE, 'middle', 'whole', [`recipes.containerd.limitNofile=${65_536 + round}`]);
      samples.push(last.sample, middle.sample);
      if (round > 0) continue;
      proofs.push(await sameEndState({ a: first.image, b: last.image, changed: ['/etc/bench-round'] }, bench.signal));
      proofs.push(await sameEndState({ a: first.image, b: middle.image, changed: [DROP_IN] }, bench.signal));
    }
    const against = spread(peer).median;
    const ratio = (subject: string) => {
      const seconds = secondsOf(samples, subject);
      return ratios(
        Array.from(seconds, () => against),
        seconds,
      );
    };
    return {
      samples,
      verdicts: [
        { what: `${PEER}, cold / ${LAST}`, unit: '×', bound: 'at least', goal: 20, got: ratio(LAST) },
        { what: `${PEER}, cold / ${MIDDLE}`, unit: '×', bound: 'at least', goal: 10, got: ratio(MIDDLE) },
      ],
      proofs,
    };
  },
};
