import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cli } from '../support/cli.ts';

describe('cache why', () => {
  it('looks as a build would, and leaves nothing behind', async () => {
    const files = {
      'base.raw': new Uint8Array(1 << 20),
      'image.yaml': 'image: debian13\nbase: { file: base.raw, format: raw }\n',
    };
    const { code, stdout, cwd } = await cli(['cache', 'why', 'image.yaml'], { files });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^debian13-kube-v[\d.]+\n {2}miss {2}boot /);
    expect(stdout).toMatch(/\nboot: nothing like it was kept before\n$/);
    expect(await readdir(join(cwd, 'home/.local/state/kib-native/builds'))).toEqual([]);
    expect(await readdir(join(cwd, 'home/.cache/kib-native/work'))).toEqual([]);
  });
});
