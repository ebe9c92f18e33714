import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { run } from '../../../src/io/process.ts';
import { noteCommandLines, placesOf } from '../../../src/testing/exposure.ts';
import { testContext } from '../../support/test-context.ts';

it('finds a secret wherever a driver could show it, and nothing where it does not', async () => {
  using programs = noteCommandLines();
  await using context = await testContext();
  const places = () => placesOf(['sesame'], programs, context, { id: 'machine 1' });
  await run('true', ['open'], { signal: context.signal });
  expect(programs.commandLines).toEqual(['true open']);
  expect(await places()).toEqual([]);
  await run('true', ['--password=sesame'], { signal: context.signal });
  context.span.log('host', 'with sesame');
  await context.journal.acquire({ kind: 'x:vm', id: '1', data: { login: 'sesame' } });
  await writeFile(join(context.dirs.work, 'vm.xml'), '<password>sesame</password>');
  expect(await places()).toEqual(['events', 'journal', 'command lines', join(context.dirs.work, 'vm.xml')]);
  expect(await placesOf(['sesame'], { ...programs, commandLines: [] }, context, { id: 'sesame' })).toContain('id');
});
