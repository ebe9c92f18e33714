import { describe, expect, it } from 'vitest';
import { fullName, imageSchema, knownAs, readImageList } from '../../../recipes/image-name.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;

describe('names of container images', () => {
  it.each([
    ['busybox', 'docker.io/library/busybox:latest'],
    ['rook/ceph:v1', 'docker.io/rook/ceph:v1'],
    ['localhost/app', 'localhost/app:latest'],
    ['registry.example:5000/app', 'registry.example:5000/app:latest'],
    [`quay.io/org/app@${DIGEST}`, `quay.io/org/app@${DIGEST}`],
    [`busybox:1@${DIGEST}`, `docker.io/library/busybox:1@${DIGEST}`],
  ])('%s is %s', (short, full) => {
    expect(fullName(short)).toBe(full);
  });

  it.each(['', 'Bad Name', 'http://registry/app', 'app@sha256:12', '-x', '/app', 'a//b'])('"%s" is none', (name) => {
    expect(imageSchema.safeParse(name).success).toBe(false);
  });

  it('are known by digest and tag when they have both', () => {
    expect(knownAs('registry.example:5000/app')).toEqual(['registry.example:5000/app']);
    expect(knownAs(`registry.example:5000/app@${DIGEST}`)).toEqual([`registry.example:5000/app@${DIGEST}`]);
    expect(knownAs(`registry.example:5000/app:1@${DIGEST}`)).toEqual([
      `registry.example:5000/app@${DIGEST}`,
      'registry.example:5000/app:1',
    ]);
  });

  it('are read from a list as kubectl and jq make it', () => {
    const read = (text: string) => readImageList({ path: '/images.json', sha256: '', text });
    expect(read('["busybox:1","quay.io/a/b:2"]\n')).toEqual({ names: ['docker.io/library/busybox:1', 'quay.io/a/b:2'] });
    expect(read('[1]')).toEqual({ problem: '/images.json: entry 1 is no image name: 1' });
    expect(read('nope')).toEqual({ problem: '/images.json is no JSON' });
  });
});
