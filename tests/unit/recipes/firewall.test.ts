import { describe, expect, it } from 'vitest';
import { firewall } from '../../../recipes/firewall.ts';
import type { RecipeContext } from '../../../src/core/index.ts';
import { osOf } from '../../support/plan.ts';

const context = (os: string): RecipeContext => ({
  os: osOf(os),
  arch: 'amd64',
  driver: 'qemu',
  formats: ['qcow2'],
  kubernetes: undefined,
  recipes: ['firewall'],
});

function texts(os: string, params: Record<string, unknown>): string {
  return firewall
    .steps(context(os), firewall.params.parse(params))
    .flatMap((action) => (action.kind === 'file' ? [action.text] : []))
    .join('\n');
}

describe('firewall', () => {
  it.each([
    ['rocky10', 'firewalld'],
    ['ubuntu2404', 'ufw'],
    ['debian13', 'nftables'],
  ])('on %s is %s', (os, backend) => {
    expect(firewall.packages?.(context(os), firewall.params.parse({}))).toEqual([{ name: backend }]);
  });

  it.each(['nftables', 'ufw'])('keeps a SSH port of its own open with %s', (backend) => {
    expect(texts('debian13', { backend, sshPort: 2222 })).toMatch(/[ ={]2222[ ,/]/);
  });

  it('never has more than 15 ports in one rule of ufw', () => {
    const ports = Array.from({ length: 40 }, (_, index) => `${2000 + 3 * index}-${2001 + 3 * index}/tcp`);
    const lists = [...texts('debian13', { backend: 'ufw', ports }).matchAll(/(?:ports=|\|)([\d:,]+)\/(tcp|udp)/g)].map(
      ([, list]) => list ?? '',
    );
    expect(lists.length).toBeGreaterThan(5);
    for (const list of lists) expect(list.split(/[,:]/).length).toBeLessThanOrEqual(15);
    for (const port of ports) expect(lists.join(',')).toContain(port.replace('-', ':').replace('/tcp', ''));
  });

  it('refuses ports that are none', () => {
    expect(firewall.params.safeParse({ ports: ['80'] }).success).toBe(false);
    expect(firewall.params.safeParse({ sources: ['10.0.0.0'] }).success).toBe(false);
  });
});
