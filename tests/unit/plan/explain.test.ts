import { describe, expect, it } from 'vitest';
import { explainPlan } from '../../../src/plan/explain.ts';
import { planBuild } from '../../../src/plan/planner.ts';
import { latestBase, resolvedImage } from '../../support/plan.ts';

describe('explainPlan', () => {
  it('has every action, download and check of the plan', () => {
    const plan = planBuild(
      resolvedImage('rocky10', { kubernetes: { source: 'http', url: 'http://mirror.example' }, formats: ['ova'] }),
    );
    const text = explainPlan(plan);
    for (const action of [...plan.layers.flatMap(({ actions }) => actions), ...plan.seal]) {
      expect(text).toContain(`${action.id}  ${action.title}`);
    }
    for (const { url } of plan.requirements) expect(text).toContain(url);
    for (const check of plan.checks) expect(text).toContain(`${check.name}  ${check.title}`);
    expect(text).toContain("preview --memory 2147483648 --name 'a name'");
    expect(text).toContain('sha256 from http://mirror.example/release/');
  });

  it('says what vouches for a base', () => {
    const base = (source: Parameters<typeof resolvedImage>[2]) => explainPlan(planBuild(resolvedImage('debian13', {}, source)));
    expect(base({ base: { kind: 'file', path: '/a b.qcow2', format: 'qcow2' } })).toContain('digest is not checked');
    expect(base({ base: { kind: 'bootstrap', suite: 'trixie', packages: ['vim'] } })).toContain('suite trixie');
    expect(base({ base: latestBase('ubuntu2404') })).toContain('key D2EB44626FDDC30B513D5BB71A5D6C4C7DB87C81');
    const pinned = explainPlan(planBuild(resolvedImage('rocky10')));
    expect(pinned).toContain('once it is gone, https://dl.rockylinux.org/vault/rocky/10.2/');
    expect(pinned).toContain('9fc9e9ff16888bb68ac39b0392e25c9c92684d50c85f1cce6ab549363bbc4b48, pinned');
  });
});
