import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { catalog } from '../../src/catalog/index.ts';
import { explainPlan } from '../../src/plan/explain.ts';
import { planBuild } from '../../src/plan/planner.ts';
import { expectGolden } from '../support/golden.ts';
import { resolvedImage } from '../support/plan.ts';

describe('plans', () => {
  for (const { id } of catalog) {
    const plan = planBuild(resolvedImage(id, { formats: ['qcow2', 'ova'] }));
    it(`${id} as JSON`, () => expectGolden(`plans/${id}.json`, `${JSON.stringify(plan, undefined, 2)}\n`));
    it(`${id} as text`, () => expectGolden(`plans/${id}.txt`, explainPlan(plan)));
  }

  it('has no plan of an operating system that is gone', () => {
    const files = readdirSync(fileURLToPath(new URL('plans', import.meta.url)));
    expect(files.sort()).toEqual(catalog.flatMap(({ id }) => [`${id}.json`, `${id}.txt`]).sort());
  });
});
