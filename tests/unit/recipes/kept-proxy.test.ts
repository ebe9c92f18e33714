import { describe, expect, it } from 'vitest';
import { loadRegistry } from '../../../src/cli/registry.ts';
import { cli } from '../../support/cli.ts';

interface Plan {
  readonly ships?: readonly string[];
  readonly layers: readonly { readonly actions: readonly { readonly path?: string; readonly script?: string }[] }[];
}

async function planOf(os: string, keep: boolean): Promise<Plan> {
  const proxy = (no: string) => `proxy: { http: "http://proxy:3128", ${no}keep: ${keep} }`;
  const image = `image: ${os}
without: [kubernetes]
recipes:
  setup: { ${proxy('')} }
  containerd: { ${proxy('no: [localhost], ')} }
`;
  const { code, stdout, stderr } = await cli(['plan', '--json', 'image.yaml'], {
    registry: loadRegistry,
    files: { 'image.yaml': image },
  });
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as Plan;
}

describe('a proxy that nodes use too', () => {
  it.each([
    ['debian13', '/etc/apt/apt.conf.d/90proxy'],
    ['rocky10', '/etc/dnf/dnf.conf'],
  ])('is no trace of the build of %s: the files it is written to ship', async (os, file) => {
    const { ships = [], layers } = await planOf(os, true);
    expect(new Set(ships)).toEqual(new Set([file, '/etc/systemd/system/containerd.service.d/20-kib-proxy.conf']));
    const written = layers.flatMap(({ actions }) => actions.map(({ path, script }) => path ?? script ?? ''));
    for (const shipped of ships) expect(written.some((text) => text.includes(shipped))).toBe(true);
  });

  it('is one where it is not kept', async () => {
    expect((await planOf('debian13', false)).ships).toBeUndefined();
  });
});
