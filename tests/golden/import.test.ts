import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { loadRegistry } from '../../src/cli/registry.ts';
import { importPacker } from '../../src/config/packer/import/index.ts';
import { configured } from '../support/configured.ts';
import { expectGolden } from '../support/golden.ts';

/**
 * Each folder import/<case>/ holds files as somebody coming from Packer has them, and what they come to, image.yaml. To add a case make its
 * folder, name its files here and run `npm run golden`.
 */
const CASES: Readonly<Record<string, readonly string[]>> = {
  'custom-steps-hcl': ['node.pkr.hcl'],
  'esx-variables': ['ubuntu-2204.json', 'esx.json'],
  'kubevirt-json': ['packer.json'],
  'qemu-json': ['packer.json'],
  'rocky-hcl': ['image.pkr.hcl'],
  'vmware-json': ['packer.json'],
  'vsphere-variables': ['ubuntu-2404.json', 'vsphere.json'],
  'wardroom-json': ['packer.json', 'base-images-us-east-1.json'],
  variables: ['site.json', 'more.pkrvars.hcl'],
};

const folder = fileURLToPath(new URL('import', import.meta.url));
const registry = await loadRegistry();

function importCase(name: string) {
  return importPacker({ files: CASES[name] ?? [], cwd: join(folder, name), env: {}, registry });
}

/** What is beside the templates, by path, for steps that name it. */
function filesOf(name: string): Readonly<Record<string, Buffer>> {
  const root = join(folder, name);
  const paths = readdirSync(root, { recursive: true }).map((path) => join(root, String(path)));
  return Object.fromEntries(
    paths.filter((path) => statSync(path).isFile()).map((path) => [relative(root, path), readFileSync(path)]),
  );
}

describe('import', () => {
  it('has a case for each folder', () => {
    expect(readdirSync(folder).sort()).toEqual(Object.keys(CASES).sort());
  });

  it.each(Object.keys(CASES))('%s', async (name) => {
    expectGolden(`import/${name}/image.yaml`, (await importCase(name)).yaml);
  });

  it.each(Object.keys(CASES))('%s is an image that can be built', async (name) => {
    const { yaml } = await importCase(name);
    // An empty raw disk stands in for one that a template names.
    const disks = name === 'custom-steps-hcl' ? { 'disks/debian-13.qcow2': qcow2() } : {};
    const { images } = await configured({ files: { ...filesOf(name), ...disks, 'node.yaml': yaml }, registry });
    expect(images).toHaveLength(1);
  });
});

/** Header of an empty qcow2 file of 1 GiB. */
function qcow2(): Uint8Array {
  const header = Buffer.alloc(512);
  header.writeUInt32BE(0x51_46_49_fb, 0);
  header.writeUInt32BE(3, 4);
  header.writeBigUInt64BE(2n ** 30n, 24);
  return header;
}
