import { sameEndState } from '../compare.ts';
import { buildWithKib, fillCache, KIB, WARM } from '../kib.ts';
import { buildWithPacker, PEER } from '../packer.ts';
import { ratios, type Sample, secondsOf } from '../results.ts';
import { keep, type Scenario } from '../scenario.ts';

/** Each round another one, so that no round finds the packages layer of the one before. */
const PACKAGES = ['lsof', 'tree', 'bc', 'rsync', 'file'];

/** The second image of a day: same base and machine, so the boot layer is there, but other packages. */
export const otherPackages: Scenario = {
  name: 'other-packages',
  title: 'Second build, boot layer warm, other packages',
  rounds: 2,
  async run(bench, rounds) {
    const home = WARM;
    const samples: Sample[] = [...(await fillCache(bench))];
    let image: string | undefined;
    for (const extra of PACKAGES.slice(0, rounds)) {
      const vars = [`recipes.node.packages=jq,${extra}`];
      const { sample, images } = await buildWithKib(bench, { label: 'other-packages', images: ['short'], home, vars });
      samples.push(sample);
      image = images[0];
      bench.say(`  ${KIB}, ${extra}: ${sample.seconds.toFixed(1)} s`);
    }
    const kib = keep(bench, KIB, image);
    const extra = PACKAGES[Math.min(rounds, PACKAGES.length) - 1] ?? '';
    // It has no layers: its second build is its first one again, and one run of it is enough.
    const peer = await buildWithPacker(bench, { label: 'peer-other-packages', list: 'short', packages: [extra] });
    samples.push(peer.sample);
    const proof = await sameEndState({ a: kib, b: keep(bench, PEER, peer.image) }, bench.signal);
    const seconds = secondsOf(samples, KIB);
    const got = ratios(
      Array.from(seconds, () => peer.sample.seconds),
      seconds,
    );
    return { samples, verdicts: [{ what: `${PEER} / ${KIB}`, unit: '×', bound: 'at least', goal: 3, got }], proofs: [proof] };
  },
};
