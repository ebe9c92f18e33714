import { describe, expect, it } from 'vitest';
import { catalog } from '../../../src/catalog/index.ts';
import type { BaseKind, Driver } from '../../../src/core/index.ts';
import { configuredImage, refused, report } from '../../support/configured.ts';
import { qemu, testRegistry } from '../../support/registry.ts';

const driver = (name: string, bases?: readonly BaseKind[]): Driver => ({
  ...qemu,
  name,
  capabilities: { ...qemu.capabilities, ...(bases === undefined ? {} : { bases }) },
});
const registry = {
  ...testRegistry,
  catalog,
  drivers: [driver('qemu'), driver('cloud', ['ami']), driver('vcenter', ['template', 'cloud-image', 'file'])],
};
const baseOf = async (targets: readonly string[], ...vars: readonly string[]) =>
  (await configuredImage({ targets, vars, registry })).image.base;
const reportOf = (target: string, ...vars: readonly string[]) => report({ targets: [target], vars, registry });

describe('the base without a word about it', () => {
  it.each([
    ['qemu', { kind: 'cloud-image', checksum: { kind: 'pinned' } }],
    ['cloud', { kind: 'ami', ami: { owner: '136693071363', name: 'debian-13-amd64-*' } }],
    ['vcenter', { kind: 'cloud-image' }],
  ])('is the first that driver %s can start from', async (name, expected) => {
    expect(await baseOf(['debian13'], `driver=${name}`)).toMatchObject(expected);
  });

  it('is the user’s to bring where there is none', async () => {
    const error = await refused({ targets: ['rhel10'], registry });
    expect(error.message).toContain('base: rhel10 comes without a base for this driver; bring one of your own');
    expect(error.message).toContain('https://access.redhat.com/downloads');
    expect(await reportOf('photon5', 'driver=cloud')).toContain('photon5 comes without a base; bring one of your own');
    expect(await baseOf(['rhel10'], 'driver=cloud')).toMatchObject({ kind: 'ami' });
  });
});

describe('a base by name', () => {
  it.each([
    ['cloud-image', { kind: 'cloud-image', checksum: { kind: 'pinned' } }],
    ['pinned', { kind: 'cloud-image', checksum: { kind: 'pinned' } }],
    ['latest', { kind: 'cloud-image', checksum: { kind: 'file' } }],
    ['bootstrap', { kind: 'bootstrap' }],
  ])('%s', async (name, expected) => {
    expect(await baseOf(['debian13'], `base=${name}`)).toMatchObject(expected);
  });

  it('is refused when the system has none', async () => {
    expect(await reportOf('oraclelinux9', 'base=latest')).toBe(
      '--var base: oraclelinux9 has no latest base for amd64; it has cloud-image, pinned, ami',
    );
    expect(await reportOf('ubuntu1804', 'base=pinned')).toBe(
      '--var base: ubuntu1804 has no pinned base for amd64; it has cloud-image, latest, ami',
    );
  });
});

describe('a base of the hypervisor', () => {
  it.each([
    ['base.ami=ami-0123456789abcdef0', { id: 'ami-0123456789abcdef0' }],
    ['base.ami.ssmParameter=/aws/service/x', { ssmParameter: '/aws/service/x' }],
  ])('%s', async (assignment, ami) => {
    expect(await baseOf(['photon5'], 'driver=cloud', assignment)).toEqual({ kind: 'ami', ami });
  });

  it('by owner and name', async () => {
    expect(await baseOf(['rhel9'], 'driver=cloud', 'base.ami.owner=self', 'base.ami.name=golden-*')).toEqual({
      kind: 'ami',
      ami: { owner: 'self', name: 'golden-*' },
    });
  });

  it('by the name of a template', async () => {
    expect(await baseOf(['photon5'], 'driver=vcenter', 'base.template=photon-5')).toEqual({ kind: 'template', name: 'photon-5' });
  });

  it.each([
    ['qemu', 'base=ami', 'an Amazon machine image'],
    ['qemu', 'base.ami=ami-01234567', 'an Amazon machine image'],
    ['qemu', 'base.template=golden', 'a template of the hypervisor'],
    ['cloud', 'base=latest', 'a cloud image'],
    ['cloud', 'base=bootstrap', 'a bootstrapped base'],
  ])('driver %s with %s is refused before anything runs', async (name, assignment, what) => {
    const error = await refused({ targets: ['debian13'], vars: [`driver=${name}`, assignment], registry });
    expect(error.message).toContain(`driver ${name} cannot start from ${what}; it starts from a`);
    expect(error.code).toBe('KIB_DRIVER_CANNOT');
  });

  it('must be named as Amazon does', async () => {
    expect(await reportOf('debian13', 'driver=cloud', 'base.ami=debian')).toContain('base.ami: must');
  });
});

describe('firmware', () => {
  it('is the base’s own on amd64 and UEFI on arm64', async () => {
    const firmware = async (...vars: readonly string[]) =>
      (await configuredImage({ targets: ['centos-stream9'], vars, registry })).image.firmware;
    expect(await firmware()).toBe('bios');
    expect(await firmware('arch=arm64')).toBe('uefi');
    expect(await reportOf('centos-stream9', 'firmware=uefi')).toContain('boots on bios, not on uefi');
  });
});

describe('aliases', () => {
  it('are as good as the name in a file and in a variable', async () => {
    const inFile = await configuredImage({ files: { 'node.yaml': 'image: rockylinux-9\n' }, registry });
    expect(inFile.image).toMatchObject({ name: 'rocky9', os: { id: 'rocky9' }, spec: { image: 'rocky9' } });
    const inVariable = await configuredImage({
      targets: ['debian13'],
      vars: ['image=photon-5', 'driver=vcenter', 'base.template=x'],
      registry,
    });
    expect(inVariable.image.name).toBe('photon5');
  });

  it('of targets bring settings that anything else goes before', async () => {
    const target = await configuredImage({ targets: ['build-raw-ubuntu-2404-efi'], registry });
    expect(target.image).toMatchObject({ name: 'ubuntu2404', firmware: 'uefi', spec: { formats: ['raw'] } });
    const changed = await configuredImage({ targets: ['build-raw-ubuntu-2404'], vars: ['formats=qcow2'], registry });
    expect(changed.image.spec.formats).toEqual(['qcow2']);
  });

  it('that are none keep their suggestion', async () => {
    expect((await refused({ files: { 'node.yaml': 'image: ubuntu-2405\n' }, registry })).message).toContain(
      'did you mean ubuntu2404?',
    );
    expect((await refused({ targets: ['build-qemu-ubuntu-2405'], registry })).message).toContain('did you mean ubuntu-2404?');
  });
});
