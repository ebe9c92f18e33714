import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';

const read = (path: string) => readFile(new URL(`../../../../${path}`, import.meta.url), 'utf8');

describe('docs/drivers/ec2.md', () => {
  it('lists exactly the permissions for the calls there are', async () => {
    const actions = [...(await read('src/aws/actions.ts')).matchAll(/^ {2}(\w+): \[/gm)].map(([, name]) => `ec2:${name}`);
    const policy = JSON.parse(/```json\n([\s\S]*?)```/.exec(await read('docs/drivers/ec2.md'))?.[1] ?? '{}') as {
      readonly Statement: readonly { readonly Action: readonly string[] }[];
    };
    const direct = ['ebs:CompleteSnapshot', 'ebs:PutSnapshotBlock', 'ebs:StartSnapshot', 'ssm:GetParameter'];
    // Never called, but asked for by every call that tags what it makes.
    const wanted = [...actions, 'ec2:CreateTags'].sort();
    expect(actions.length).toBeGreaterThan(25);
    expect(policy.Statement[0]?.Action).toEqual([...wanted, ...direct]);
  });
});
