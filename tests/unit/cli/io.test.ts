import { describe, expect, it } from 'vitest';
import { cacheHome, stateHome } from '../../../src/cli/io.ts';

describe('XDG folders', () => {
  it.each([
    [{ HOME: '/home/me' }, '/home/me/.cache/kib-native', '/home/me/.local/state/kib-native'],
    [{ HOME: '/home/me', XDG_CACHE_HOME: '/c', XDG_STATE_HOME: '/s' }, '/c/kib-native', '/s/kib-native'],
    [
      { HOME: '/home/me', XDG_CACHE_HOME: 'relative', XDG_STATE_HOME: '' },
      '/home/me/.cache/kib-native',
      '/home/me/.local/state/kib-native',
    ],
  ])('%j', (env, cache, state) => {
    expect([cacheHome(env), stateHome(env)]).toEqual([cache, state]);
  });
});
