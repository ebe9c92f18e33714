import { sameEndState } from '../compare.ts';
import { buildByHand, FLOOR } from '../floor.ts';
import { buildWithKib, coldHome, KIB } from '../kib.ts';
import { buildWithPacker, PEER, PEER_AS_SET } from '../packer.ts';
import { type Outcome, ratios, type Sample, secondsOf, spread, type Verdict } from '../results.ts';
import { alternate, keep, type Scenario } from '../scenario.ts';
import type { Bench } from '../workspace.ts';

const MB = 1_000_000;

/** A cold build: the base is there, nothing else. Against the peer, and against the least that the same commands can take. */
function cold(list: 'short' | 'whole', title: string, rounds: number, goal: number): Scenario {
  return {
    name: `cold-${list}`,
    title,
    rounds,
    run: (bench, rounds) => run(bench, list, rounds, goal),
  };
}

export const coldShort = cold('short', 'Cold build, a few packages and files', 2, 2.3);
export const coldWhole = cold('whole', 'Cold build, whole node, containerd and sysprep task list', 2, 4);

async function run(bench: Bench, list: 'short' | 'whole', rounds: number, goal: number): Promise<Outcome> {
  const samples: Sample[] = [];
  const images = new Map<string, { readonly name: string; readonly path: string }>();
  const note = (sample: Sample, image: string | undefined): void => {
    samples.push(sample);
    images.set(sample.subject, keep(bench, sample.subject, image));
    bench.say(`  ${sample.subject}: ${sample.seconds.toFixed(1)} s`);
  };
  await alternate(rounds, [
    async () => {
      const home = `cold-${list}`;
      coldHome(bench, home, list);
      const { sample, images } = await buildWithKib(bench, { label: home, images: [list], home, arguments: ['--cache', 'off'] });
      note(sample, images[0]);
    },
    async () => {
      const { sample, image } = await buildWithPacker(bench, { label: `peer-${list}`, list });
      note(sample, image);
    },
    async () => {
      const { sample, image } = await buildByHand(bench, `floor-${list}`, list);
      note(sample, image);
    },
  ]);
  // Of the list that is image-builder's, and once, since it takes longest.
  if (list === 'whole') {
    const { sample, image } = await buildWithPacker(bench, { label: 'peer-as-set', list, config: 'image-builder.cfg' });
    note(sample, image);
  }
  const proofs: string[] = [];
  const [kib, ...others] = [KIB, PEER, PEER_AS_SET, FLOOR].map((subject) => images.get(subject));
  if (kib === undefined) throw new Error('no rounds');
  for (const other of others) if (other !== undefined) proofs.push(await sameEndState({ a: kib, b: other }, bench.signal));
  const seconds = (subject: string): readonly number[] => secondsOf(samples, subject);
  return {
    samples,
    verdicts: [
      { what: `${PEER} / ${KIB}`, unit: '×', bound: 'at least', goal, got: ratios(seconds(PEER), seconds(KIB)) },
      ...asSet(seconds, goal),
      { what: `${KIB} / ${FLOOR}`, unit: '×', bound: 'at most', goal: 1.1, got: ratios(seconds(KIB), seconds(FLOOR)) },
      ...controllerVerdicts(samples),
    ],
    proofs,
  };
}

function asSet(seconds: (subject: string) => readonly number[], goal: number): readonly Verdict[] {
  const peer = seconds(PEER_AS_SET);
  if (peer.length === 0) return [];
  const got = ratios(peer, seconds(KIB).slice(-1));
  return [{ what: `${PEER_AS_SET} / ${KIB}`, unit: '×', bound: 'at least', goal, got }];
}

function controllerVerdicts(samples: readonly Sample[]): readonly Verdict[] {
  const measured = samples.flatMap(({ controller, cpuSeconds }) =>
    controller === undefined || cpuSeconds === undefined
      ? []
      : [{ ...controller, share: (100 * controller.cpuSeconds) / cpuSeconds }],
  );
  return [
    {
      what: 'controller’s share of CPU time',
      unit: '%',
      bound: 'at most',
      goal: 5,
      got: spread(measured.map(({ share }) => share)),
    },
    {
      what: 'controller’s peak memory',
      unit: 'MB',
      bound: 'at most',
      goal: 150,
      got: spread(measured.map(({ peakBytes }) => peakBytes / MB)),
    },
  ];
}
