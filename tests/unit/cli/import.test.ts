import { expect, it } from 'vitest';
import { loadRegistry } from '../../../src/cli/registry.ts';
import { cli } from '../../support/cli.ts';

const registry = () => loadRegistry();
const template = JSON.stringify({
  builders: [
    { type: 'qemu', vm_name: 'debian-13', iso_url: 'https://example.org/debian-13.qcow2', disk_image: true, mystery: 1 },
  ],
});

it('prints an image file, and says how much of a template it is not', async () => {
  const { code, stdout, stderr } = await cli(['import', 'a.json'], { files: { 'a.json': template }, registry });
  expect([code, stderr]).toEqual([0, '2 things are not carried over; the end of the file says which and why\n']);
  expect(stdout).toContain('image: debian13\n');
  expect(stdout).toContain('#   a.json:1:117: mystery: has no counterpart\n');
});

it('prints nothing that cannot be taken in again', async () => {
  const { stdout, cwd } = await cli(['import', 'a.json'], { files: { 'a.json': template }, registry });
  const { writeFile } = await import('node:fs/promises');
  await writeFile(`${cwd}/node.yaml`, stdout);
  expect(await cli(['validate', 'node.yaml'], { cwd, registry })).toMatchObject({ code: 0, stderr: '' });
});

it.each([
  [['import', 'none.json'], 2, 'none.json: does not exist'],
  [['import', 'broken.json'], 2, 'broken.json:1:15: '],
  [['import', 'broken.pkr.hcl'], 2, 'broken.pkr.hcl:1:8: has no closing "'],
  [['import', 'plain.json'], 2, 'plain.json: names no operating system that is known (kib-native import --image <name>'],
  [['import', 'plain.json', '--image', 'debain13'], 2, 'there is no debain13 in the catalog'],
  [['import', 'a.json', '--builder', 'b'], 2, 'a.json: has no builder b; it has qemu'],
  [['import', 'a.json', 'again.json'], 2, 'again.json: is a second template; want one'],
])('%j', async (argv, status, message) => {
  const files = {
    'a.json': template,
    'again.json': template,
    'broken.json': '{ "builders": ',
    'broken.pkr.hcl': 'source "{',
    'plain.json': '{"cpus": "2"}',
  };
  const { code, stdout, stderr } = await cli(argv, { files, registry });
  expect([code, stdout]).toEqual([status, '']);
  expect(stderr).toContain(message);
});
