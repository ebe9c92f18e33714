import { describe, expect, it, onTestFinished } from 'vitest';
import { sha256 } from '../../../../src/core/index.ts';
import { describeMiss, explainMiss, type WantedLayer } from '../../../../src/engine/layers/miss.ts';
import { pruneLayers } from '../../../../src/engine/layers/prune.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { makeBase, publish } from '../../../support/layer-store.ts';
import { testContext } from '../../../support/test-context.ts';

const input = (name: string, text: string, title?: string) => ({
  name,
  digest: sha256(text),
  ...(title === undefined ? {} : { title }),
  lines: text.split('\n'),
});

async function setup() {
  const clock = new FakeClock();
  const context = await testContext({ clock });
  onTestFinished(() => context[Symbol.asyncDispose]());
  await makeBase(context.dirs.cache);
  const boot = await publish({ key: 'boot', inputs: [input('base', 'b'), input('machine', 'cpus: 2')] }, context);
  const inputs = [input('containerd/1', 'mkdir /a'), input('containerd/2', 'one\ntwo\nthree'), input('containerd/3', 'x')];
  await publish({ key: 'c1', name: 'containerd', parent: boot, inputs }, context);
  const why = (wanted: Partial<WantedLayer>) =>
    explainMiss({ name: 'containerd', image: 'debian13', parentKey: 'boot', inputs, ...wanted }, context);
  return { clock, context, boot, inputs, why };
}

describe('explainMiss', () => {
  it('finds nothing to compare with', async () => {
    const { why } = await setup();
    expect(await why({ name: 'kubernetes' })).toEqual({ kind: 'never' });
    expect(await why({ image: 'rocky10', parentKey: 'other' })).toEqual({ kind: 'never' });
    expect(await why({ name: 'boot', image: 'rocky10', parentKey: undefined, inputs: [input('base', 'r')] })).toEqual({
      kind: 'never',
    });
  });

  it('shows what changed in the first input that differs', async () => {
    const { inputs, why } = await setup();
    const [first = inputs[0], , third = inputs[2]] = inputs;
    if (first === undefined || third === undefined) throw new Error('no inputs');
    const changed = [first, input('containerd/2', 'one\n2\nthree', 'write config'), input('containerd/3', 'y')];
    expect(await why({ inputs: changed })).toEqual({
      kind: 'input',
      layer: 'c1',
      input: 'containerd/2',
      title: 'write config',
      change: 'changed',
      diff: ['  one', '- two', '+ 2', '  three'],
    });
    expect(await why({ inputs: [first, input('containerd/2', 'new'), ...inputs.slice(1)] })).toMatchObject({
      input: 'containerd/2',
      change: 'added',
      diff: ['+ new'],
    });
    expect(await why({ inputs: [first, third] })).toMatchObject({
      input: 'containerd/2',
      change: 'removed',
      diff: ['- one', '- two', '- three'],
    });
    expect(await why({ inputs: [...inputs, input('containerd/4', 'z')] })).toMatchObject({
      input: 'containerd/4',
      change: 'added',
    });
    expect(await why({ inputs: inputs.slice(0, 2) })).toMatchObject({ input: 'containerd/3', change: 'removed' });
  });

  it('names the digests when nothing that is shown differs', async () => {
    const { inputs, why } = await setup();
    const same = { ...input('containerd/1', 'mkdir /a'), digest: sha256('other bytes') };
    expect(await why({ inputs: [same, ...inputs.slice(1)] })).toMatchObject({
      change: 'changed',
      diff: [`- sha256 ${sha256('mkdir /a')}`, `+ sha256 ${sha256('other bytes')}`],
    });
  });

  it('compares with the same parent rather than the same image, and then with the newest', async () => {
    const { clock, context, boot, inputs, why } = await setup();
    const changed = [input('containerd/1', 'mkdir /b')];
    await clock.advance(1000);
    await publish({ key: 'c2', name: 'containerd', parent: boot, inputs, image: 'debian13-kube-v1.37.0' }, context);
    expect(await why({ inputs: changed })).toMatchObject({ layer: 'c1' });
    expect(await why({ inputs: changed, image: 'x' })).toMatchObject({ layer: 'c2' });
    await clock.advance(1000);
    const other = await publish({ key: 'boot2' }, context);
    await publish({ key: 'c3', name: 'containerd', parent: other, inputs }, context);
    expect(await why({ inputs: changed })).toMatchObject({ layer: 'c1' });
    expect(await why({ inputs: changed, parentKey: 'gone' })).toMatchObject({ layer: 'c3' });
  });

  it('says that only the parent differs', async () => {
    const { why } = await setup();
    expect(await why({ parentKey: 'other' })).toEqual({ kind: 'parent', layer: 'c1' });
  });

  it('remembers what was removed to make room', async () => {
    const { clock, context, why } = await setup();
    await context.scope[Symbol.asyncDispose]();
    await pruneLayers({ cacheDir: context.dirs.cache, maxBytes: 0, signal: context.signal, clock });
    expect(await why({ key: 'c1' })).toEqual({ kind: 'pruned', removedMs: clock.now() });
    await clock.advance(100 * 24 * 3_600_000);
    await pruneLayers({ cacheDir: context.dirs.cache, maxBytes: 0, signal: context.signal, clock });
    expect(await why({ key: 'c1' })).toEqual({ kind: 'never' });
  });
});

describe('describeMiss', () => {
  it('says why in one line, then what differs', () => {
    expect(describeMiss({ kind: 'never' })).toHaveLength(1);
    expect(describeMiss({ kind: 'parent', layer: 'x' })).toHaveLength(1);
    expect(describeMiss({ kind: 'pruned', removedMs: Date.UTC(2026, 0, 2) })).toEqual([
      'it was removed on 2026-01-02 to make room',
    ]);
    expect(
      describeMiss({ kind: 'input', layer: 'x', input: 'cni/1', title: 'unpack', change: 'changed', diff: ['- a', '+ b'] }),
    ).toEqual(['cni/1 (unpack) changed', '- a', '+ b']);
  });
});
