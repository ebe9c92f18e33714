import { join } from 'node:path';
import { expect, it } from 'vitest';
import { layerRequest } from '../../../src/cli/layer-options.ts';
import { workspace } from '../../support/workspace.ts';

it('asks for nothing of its own', async () => {
  expect(await layerRequest({ cache: 'auto' }, await workspace())).toEqual({ cache: 'auto' });
});

it('takes the lock file that is here, or another one', async () => {
  const cwd = await workspace({ 'kib.lock': '{}', 'other/my.lock': '{}' });
  expect(await layerRequest({ cache: 'auto' }, cwd)).toMatchObject({ lock: { path: join(cwd, 'kib.lock'), locked: false } });
  expect(await layerRequest({ cache: 'strict', locked: true, lock: 'other/my.lock' }, cwd)).toEqual({
    cache: 'strict',
    lock: { path: join(cwd, 'other/my.lock'), locked: true },
  });
});

it('makes a lock file that is named and not there', async () => {
  const cwd = await workspace();
  expect(await layerRequest({ cache: 'off', lock: 'new.lock', from: 'node', cacheSize: 1024 }, cwd)).toEqual({
    cache: 'off',
    from: 'node',
    lock: { path: join(cwd, 'new.lock'), locked: false },
    cacheBytes: 1024,
  });
});
