import { describe, expect, it } from 'vitest';
import { parseAddress } from '../../../../drivers/libvirt/address.ts';
import { offersKvm } from '../../../../drivers/libvirt/cpu.ts';
import { isOff, parseState } from '../../../../drivers/libvirt/domain.ts';
import { virshError } from '../../../../drivers/libvirt/errors.ts';
import { libvirtOptionsSchema } from '../../../../drivers/libvirt/options.ts';
import { facts } from '../../../../drivers/libvirt/pool.ts';
import { parseUri } from '../../../../drivers/libvirt/uri.ts';
import { bytesIn, volumeXml } from '../../../../drivers/libvirt/volume-xml.ts';

describe('connection URIs', () => {
  it.each([
    ['qemu:///system', { local: 'qemu:///system', ssh: undefined }],
    ['qemu:///session', { local: 'qemu:///session', ssh: undefined }],
    ['qemu:///system?socket=/a/b', { local: 'qemu+unix:///system?socket=/a/b', ssh: undefined }],
    ['qemu+ssh://h/system', { local: 'qemu:///system', ssh: { endpoint: { host: 'h', port: 22 }, username: undefined } }],
    ['qemu+ssh://me@h:2222/system', { local: 'qemu:///system', ssh: { endpoint: { host: 'h', port: 2222 }, username: 'me' } }],
    [
      'qemu+ssh://me@[fd00::1]/system',
      { local: 'qemu:///system', ssh: { endpoint: { host: 'fd00::1', port: 22 }, username: 'me' } },
    ],
  ])('%s', (text, expected) => {
    expect(parseUri(text)).toEqual(expected);
  });

  it.each([
    ['nonsense', 'must look like'],
    ['xen:///system', 'must begin with'],
    ['qemu+ssh:///system', 'must begin with'],
    ['qemu+tls://h/system', 'must begin with'],
    ['qemu:///other', 'must end in /system or /session'],
    ['qemu+ssh://a:b@h/system', 'must not hold a password'],
    ['qemu+ssh://h/system?no_verify=1', 'set hostKey instead of no_verify'],
    ['qemu+ssh://h/system?keyfile=/k', 'set keyFile instead of keyfile'],
    ['qemu+ssh://h/system?netcat=nc', 'a parameter that is not known here: netcat'],
  ])('%s is refused', (text, message) => {
    expect(parseUri(text)).toContain(message);
    expect(libvirtOptionsSchema.safeParse({ uri: text }).success).toBe(false);
  });
});

describe('what virsh prints', () => {
  it('holds states', () => {
    expect(parseState('shut off (crashed)\n')).toEqual({ state: 'shut off', reason: 'crashed' });
    expect(parseState('running (booted)\n\n')).toEqual({ state: 'running', reason: 'booted' });
    expect(isOff(parseState('shut off (shutdown)'))).toBe(true);
    expect(isOff(parseState('in shutdown (unknown)'))).toBe(false);
    expect(isOff(parseState('paused (I/O error)'))).toBe(false);
  });

  it('holds addresses', () => {
    const lease = ' vnet0      52:54:00:54:97:3b    ipv4         192.168.122.75/24\n';
    const agent = [
      ' lo         00:00:00:00:00:00    ipv4         127.0.0.1/8',
      ' -          -                    ipv6         ::1/128',
      ' eth0       52:54:00:54:97:3b    ipv4         169.254.3.4/16',
      ' eth0       52:54:00:54:97:3b    ipv4         10.0.0.7/16',
    ].join('\n');
    expect(parseAddress(lease)).toBe('192.168.122.75');
    expect(parseAddress(agent)).toBe('10.0.0.7');
    expect(parseAddress('\n')).toBeUndefined();
  });

  it('holds facts and sizes', () => {
    expect(facts('Name:           kib\nState:          running\nAvailable:      230555013120\n')).toEqual({
      Name: 'kib',
      State: 'running',
      Available: '230555013120',
    });
    const dump = "<volume>\n  <capacity unit='bytes'>3145728</capacity>\n  <physical unit='bytes'>3473408</physical>\n";
    expect(bytesIn(dump, 'physical')).toBe(3_473_408);
    expect(bytesIn(dump, 'allocation')).toBe(0);
  });

  it('holds what an architecture can be run by', () => {
    const capabilities =
      "<guest><arch name='i686'><domain type='qemu'/><domain type='kvm'/></arch></guest>" +
      "<guest><arch name='x86_64'><domain type='qemu'/></arch></guest>";
    expect(offersKvm(capabilities, 'x86_64')).toBe(false);
    expect(offersKvm(capabilities, 'i686')).toBe(true);
    expect(offersKvm(capabilities, 'aarch64')).toBe(false);
  });

  it.each([
    ["error: failed to get vol 'nope'\nerror: Storage volume not found: no storage vol", 'KIB_LIBVIRT', 'not-found'],
    ["error: storage volume 'c.log' exists already", 'KIB_LIBVIRT', 'taken'],
    ["error: operation failed: domain 'kib-x' already exists with uuid 5272bd9a", 'KIB_LIBVIRT', 'taken'],
    ['error: cannot write data: No space left on device', 'KIB_LIBVIRT_POOL_FULL', 'full'],
    [
      "error: failed to connect to the hypervisor\nerror: Failed to connect socket to '/run': Permission denied",
      'KIB_LIBVIRT_CONNECT',
      'connection',
    ],
    ['error: Requested operation is not valid: domain is not running', 'KIB_LIBVIRT', 'not-running'],
    ['error: something else', 'KIB_LIBVIRT', 'other'],
  ])('holds the reason of a failure: %s', (stderr, code, failure) => {
    const error = virshError({ args: ['x', 'y'], stderr, exitCode: 1, place: 'this host' });
    expect(error).toMatchObject({ code, details: { failure } });
    expect(error.message).not.toContain('error:');
  });

  it('is nothing where virsh is not installed', () => {
    expect(virshError({ args: ['uri'], stderr: 'env: virsh: not found', exitCode: 127, place: 'me@h' })).toMatchObject({
      code: 'KIB_TOOL_MISSING',
      message: 'virsh is not installed on me@h',
    });
  });
});

it('volumes are their owner’s alone', () => {
  expect(volumeXml({ name: 'a', bytes: 5, format: 'qcow2', backingPath: '/p/b' })).toContain('<mode>0600</mode>');
  expect(volumeXml({ name: 'a', bytes: 5, format: 'raw' })).not.toContain('backingStore');
});
