import { expect, it } from 'vitest';
import { EventStream } from '../../../src/engine/events.ts';
import { PhaseRecorder } from '../../../src/engine/phases.ts';
import { FakeClock } from '../../support/fake-clock.ts';

it('records the direct children of the build, in the order they ended', async () => {
  const clock = new FakeClock();
  const stream = new EventStream('b1', clock);
  const recorder = new PhaseRecorder();
  stream.subscribe(recorder.read);
  const work = async () => {
    await stream.root.run('layer', 'cni', (layer) => layer.run('action', 'unpack', () => clock.sleep(30)));
    await Promise.all([
      stream.root.run('export', 'ova', () => clock.sleep(20)),
      stream.root.run('export', 'raw', async (span) => {
        span.mark('cached');
        await clock.sleep(10);
      }),
    ]);
    await stream.root.run('verify', 'boot', () => Promise.reject(new Error('x')));
  };
  await expect(clock.run(work())).rejects.toThrow('x');
  expect(recorder.phases).toEqual([
    { kind: 'layer', name: 'cni', ms: 30, status: 'ok' },
    { kind: 'export', name: 'raw', ms: 10, status: 'cached' },
    { kind: 'export', name: 'ova', ms: 20, status: 'ok' },
    { kind: 'verify', name: 'boot', ms: 0, status: 'failed' },
  ]);
});
