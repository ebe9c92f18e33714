import { describe, expect, it } from 'vitest';
import type { Archive } from '../../../../src/engine/base/archive.ts';
import { baseKey, imageIds, requestDigest } from '../../../../src/engine/base/base-key.ts';

const source = { kind: 'bootstrap', suite: 'trixie', packages: [] } as const;
const archive: Archive = {
  suites: [{ uri: 'http://mirror.test/debian', suite: 'trixie', index: 'a'.repeat(64) }],
  epoch: 1_700_000_000,
};

describe('the request', () => {
  it('is the same whatever order packages are named in', () => {
    const one = requestDigest({ ...source, packages: ['jq', 'curl'] }, 'amd64');
    expect(requestDigest({ ...source, packages: ['curl', 'jq'] }, 'amd64')).toBe(one);
  });

  it('differs by everything that is asked for', () => {
    const digests = [
      requestDigest(source, 'amd64'),
      requestDigest(source, 'arm64'),
      requestDigest({ ...source, suite: 'bookworm' }, 'amd64'),
      requestDigest({ ...source, packages: ['jq'] }, 'amd64'),
      requestDigest({ ...source, mirror: 'http://mirror.test/debian' }, 'amd64'),
    ];
    expect(new Set(digests).size).toBe(digests.length);
  });
});

describe('the key', () => {
  it('follows what the archive holds', () => {
    const request = requestDigest(source, 'amd64');
    const changed = { ...archive, suites: archive.suites.map((suite) => ({ ...suite, index: 'b'.repeat(64) })) };
    const keys = [
      baseKey(request, archive),
      baseKey(request, changed),
      baseKey(request, { ...archive, epoch: 1 }),
      baseKey('other', archive),
    ];
    expect(new Set(keys).size).toBe(keys.length);
    expect(baseKey(request, structuredClone(archive))).toBe(keys[0]);
  });
});

describe('the identifiers of an image', () => {
  const ids = imageIds('key');

  it('are UUIDs, all different, and a FAT serial number', () => {
    const { esp, ...uuids } = ids;
    expect(esp).toMatch(/^[0-9a-f]{8}$/);
    for (const uuid of Object.values(uuids)) {
      expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    }
    expect(new Set(Object.values(uuids)).size).toBe(Object.keys(uuids).length);
  });

  it('follow the key', () => {
    expect(imageIds('key')).toEqual(ids);
    expect(imageIds('other').root).not.toBe(ids.root);
  });
});
