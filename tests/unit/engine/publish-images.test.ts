import { describe, expect, it } from 'vitest';
import type { ImageFormat, RemoteDisk } from '../../../src/core/index.ts';
import { publishImages } from '../../../src/engine/publish-images.ts';
import { resolvedImage } from '../../support/plan.ts';
import { testSubject } from '../../support/subject.ts';
import { testContext } from '../../support/test-context.ts';

const disk: RemoteDisk = { kind: 'remote', id: 'i-1', virtualBytes: 1 };

/** An image of a driver that keeps images in a set; `fail` names formats it cannot make. */
function imageOf(formats: readonly ImageFormat[], store: Set<string>, fail: readonly ImageFormat[] = []) {
  const image = resolvedImage('debian13', { formats: [...formats] });
  const driver: typeof image.driver = {
    ...image.driver,
    images: {
      findBase: () => Promise.reject(new Error('not for this test')),
      baseOf: () => {
        throw new Error('not for this test');
      },
      exists: ({ id }) => Promise.resolve(store.has(id)),
      remove: ({ id }) => Promise.resolve(void store.delete(id)),
      publish: (from, format, _subject, _options, context) => {
        if (from.kind !== 'remote' || fail.includes(format)) return Promise.reject(new Error(`no ${format} of ${from.kind}`));
        const id = `${format} of ${from.id}`;
        store.add(id);
        const forget = context.scope.defer(id, () => void store.delete(id));
        return Promise.resolve({
          images: [{ format, id, location: 'here', facts: {} }],
          keep: () => Promise.resolve(forget()),
        });
      },
    },
  };
  return { ...image, driver };
}

describe('publishImages', () => {
  it('makes every image asked for, says so, and keeps them when told to', async () => {
    const store = new Set<string>();
    const context = await testContext();
    const published = await publishImages(imageOf(['ami', 'template'], store), disk, testSubject(), context);
    expect(published.images.map(({ id }) => id)).toEqual(['ami of i-1', 'template of i-1']);
    expect(context.events.filter(({ type }) => type === 'image')).toHaveLength(2);
    await published.keep();
    await context[Symbol.asyncDispose]();
    expect([...store]).toEqual(['ami of i-1', 'template of i-1']);
  });

  it('leaves none when nobody keeps them, or one of them fails', async () => {
    const store = new Set<string>();
    const unkept = await testContext();
    await publishImages(imageOf(['ami'], store), disk, testSubject(), unkept);
    expect(store.size).toBe(1);
    await unkept[Symbol.asyncDispose]();
    expect(store.size).toBe(0);

    const failing = await testContext();
    await expect(publishImages(imageOf(['ami', 'template'], store, ['template']), disk, testSubject(), failing)).rejects.toThrow(
      'no template of remote',
    );
    await failing[Symbol.asyncDispose]();
    expect(store.size).toBe(0);
  });
});
