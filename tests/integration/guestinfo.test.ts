import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import { guestinfoSeed } from '../../cloudinit/index.ts';
import { guestinfoProgram } from '../../recipes/providers/guestinfo-program.ts';

const USER_DATA = '#cloud-config\nwrite_files: [{path: /etc/ünïcode, content: "$(not) %s"}]\n';
const METADATA = { 'instance-id': 'iid-7', 'local-hostname': 'node-7' };
const NETWORK = { version: 2, ethernets: { id0: { match: { macaddress: '00:50:56:00:00:07' }, dhcp4: true } } };

/** As open-vm-tools' rpctool: what it was given as one word, a value with a line feed, status 1 without one. */
const RPCTOOL = `#!/bin/sh
key=\${1#info-??? }; key=\${key%% *}
case $1 in
  'info-get '*) [ -e "$VALUES/$key" ] || { echo 'No value found'; exit 1; }; cat "$VALUES/$key"; echo ;;
  'info-set '*) printf %s "\${1#"info-set $key "}" >"$VALUES/$key" ;;
esac
`;

const base64 = (text: string) => Buffer.from(text).toString('base64');
const gzipped = (text: string) => gzipSync(text).toString('base64');
const ENCODINGS: Readonly<Record<string, (text: string) => string>> = {
  '': (text) => text,
  none: (text) => text,
  base64,
  b64: base64,
  // As base64(1) breaks lines.
  'BASE64 ': (text) => base64(text).replaceAll(/.{60}/g, '$&\n'),
  'gzip+base64': gzipped,
  'gz+b64': gzipped,
};

/** A machine whose values are `guestinfo.<key>`; each `boot` runs the program. */
function machine(python: string, values: Readonly<Record<string, string>>) {
  const root = mkdtempSync(join(tmpdir(), 'kib-guestinfo-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const folder = join(root, 'values');
  const seed = join(root, 'lib/cloud/seed/nocloud');
  for (const path of [folder, join(root, 'bin')]) mkdirSync(path);
  const set = (changes: Readonly<Record<string, string | undefined>>) => {
    for (const [key, value] of Object.entries(changes)) {
      if (value === undefined) rmSync(join(folder, `guestinfo.${key}`));
      else writeFileSync(join(folder, `guestinfo.${key}`), value);
    }
  };
  const tool = (text: string) => {
    writeFileSync(join(root, 'bin/vmware-rpctool'), text);
    chmodSync(join(root, 'bin/vmware-rpctool'), 0o755);
  };
  set(values);
  tool(RPCTOOL);
  writeFileSync(join(root, 'uuid'), '564D1234-ABCD-EF00-0000-0000000000AA\n');
  writeFileSync(join(root, 'program'), guestinfoProgram({ seed, uuid: join(root, 'uuid') }));
  return {
    root,
    seed,
    set,
    tool,
    value: (key: string) => readFileSync(join(folder, `guestinfo.${key}`), 'utf8'),
    boot: () => {
      const env = { ...process.env, PATH: `${join(root, 'bin')}:${process.env['PATH']}`, VALUES: folder };
      const { status, stdout, stderr } = spawnSync(python, [join(root, 'program')], { encoding: 'utf8', env, timeout: 60_000 });
      return { status, said: `${stdout}${stderr}` };
    },
    names: () => (existsSync(seed) ? readdirSync(seed).filter((name) => !name.startsWith('.')) : []),
    file: (name: string) => readFileSync(join(seed, name), 'utf8'),
    yaml: (name: string) => parse(readFileSync(join(seed, name), 'utf8')) as unknown,
  };
}

/** The Python of today's systems, and that of CentOS 7 and Amazon Linux 2 where somebody has it. */
describe.each(['python3', 'python2.7'])('guestinfo as a seed of NoCloud, by %s', (python) => {
  const there = spawnSync(python, ['-c', 'import yaml']).status === 0;
  if (!there) console.warn(`SKIPPED: guestinfo by ${python}, which is not installed, or has no PyYAML`);
  const run = there ? it : it.skip;

  run.each(Object.keys(ENCODINGS))('reads values in encoding "%s"', (encoding) => {
    const encode = ENCODINGS[encoding] ?? String;
    const given =
      encoding === '' ? {} : { 'metadata.encoding': encoding, 'userdata.encoding': encoding, 'vendordata.encoding': encoding };
    const vm = machine(python, {
      metadata: encode(JSON.stringify(METADATA)),
      userdata: encode(USER_DATA),
      vendordata: encode('#!/bin/sh\n'),
      ...given,
    });
    expect(vm.boot()).toEqual({ status: 0, said: 'kib-guestinfo: wrote meta-data, user-data, vendor-data\n' });
    expect(vm.names()).toEqual(['meta-data', 'user-data', 'vendor-data']);
    expect(vm.yaml('meta-data')).toEqual(METADATA);
    expect(vm.file('user-data').trimEnd()).toBe(USER_DATA.trimEnd());
    expect(vm.file('vendor-data').trimEnd()).toBe('#!/bin/sh');
    const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);
    expect(readdirSync(vm.seed).map((name) => mode(join(vm.seed, name)))).toEqual(['600', '600', '600', '600']);
    expect([mode(vm.seed), mode(join(vm.seed, '..'))]).toEqual(['700', '755']);
  });

  run('reads what the drivers write', () => {
    const seed = {
      'user-data': USER_DATA,
      'meta-data': 'instance-id: a-1\nlocal-hostname: one\n',
      'network-config': 'version: 2\n',
    };
    const vm = machine(python, guestinfoSeed(seed));
    expect(vm.boot().status).toBe(0);
    expect(vm.file('user-data')).toBe(USER_DATA);
    expect(vm.yaml('meta-data')).toEqual({ 'instance-id': 'a-1', 'local-hostname': 'one' });
    expect(vm.yaml('network-config')).toEqual({ version: 2 });
  });

  run('takes the instance from the machine where metadata names none', () => {
    const vm = machine(python, { userdata: USER_DATA });
    expect(vm.boot().status).toBe(0);
    expect(vm.yaml('meta-data')).toEqual({ 'instance-id': '564d1234-abcd-ef00-0000-0000000000aa' });
    rmSync(join(vm.root, 'uuid'));
    expect(vm.boot()).toEqual({ status: 1, said: expect.stringContaining('no instance-id') as string });
  });

  run('passes metadata in YAML on, keys of users under the one name that NoCloud knows', () => {
    const vm = machine(python, {
      metadata: '# Ours\ninstance-id: 7\nlocal-hostname: nödé\nsince: 2026-01-02\npublic-keys-data: |\n  ssh-ed25519 AAAA one\n',
    });
    expect(vm.boot().status).toBe(0);
    expect(vm.names()).toEqual(['meta-data', 'user-data']);
    expect(vm.file('user-data')).toBe('');
    expect(vm.yaml('meta-data')).toMatchObject({
      'instance-id': 7,
      'local-hostname': 'nödé',
      'public-keys': 'ssh-ed25519 AAAA one\n',
    });
  });

  run.each([
    ['nested', { network: NETWORK }],
    ['as text', { network: `version: 2\nethernets: ${JSON.stringify(NETWORK.ethernets)}\n` }],
    ['in base64', { network: base64(JSON.stringify(NETWORK)), 'network.encoding': 'base64' }],
    ['in gzip and base64', { network: gzipped(JSON.stringify(NETWORK)), 'network.encoding': 'gz+b64' }],
  ])('takes the network out of metadata, %s', (_how, network) => {
    const vm = machine(python, { metadata: JSON.stringify({ ...METADATA, ...network }) });
    expect(vm.boot().status).toBe(0);
    expect(vm.yaml('network-config')).toEqual(NETWORK);
    expect(vm.yaml('meta-data')).toEqual(METADATA);
    vm.set({ metadata: JSON.stringify(METADATA) });
    expect(vm.boot().status).toBe(0);
    expect(vm.names()).toEqual(['meta-data', 'user-data']);
  });

  const damaged: readonly (readonly [string, Readonly<Record<string, string>>, string])[] = [
    ['letters', { userdata: 'c2VjcmV0*', 'userdata.encoding': 'base64' }, 'guestinfo.userdata is not base64'],
    ['its end', { userdata: base64('secret').slice(0, -1), 'userdata.encoding': 'b64' }, 'guestinfo.userdata is not base64'],
    ['gzip', { userdata: base64('secret'), 'userdata.encoding': 'gz+b64' }, 'guestinfo.userdata is not gzip in base64'],
    [
      'half of gzip',
      { userdata: gzipSync(USER_DATA).subarray(0, 40).toString('base64'), 'userdata.encoding': 'gzip+base64' },
      'guestinfo.userdata is not gzip in base64',
    ],
    ['metadata', { metadata: 'secret: [' }, 'guestinfo.metadata is neither JSON nor YAML'],
    ['text for metadata', { metadata: 'secret' }, 'guestinfo.metadata has no keys'],
    ['Latin-1', { metadata: '/A==', 'metadata.encoding': 'base64' }, 'guestinfo.metadata is neither JSON nor YAML'],
    ['a list for a network', { metadata: 'network: [secret]' }, 'network of guestinfo.metadata has no keys'],
  ];
  run.each(damaged)('writes nothing of a value with damaged %s, and says which', (_what, change, reason) => {
    const vm = machine(python, { metadata: JSON.stringify(METADATA), ...change });
    expect(vm.boot()).toEqual({ status: 1, said: `kib-guestinfo: ${reason}\n` });
    expect(existsSync(vm.seed)).toBe(false);
    // The machine stays the instance it is.
    const before = machine(python, { metadata: JSON.stringify(METADATA), userdata: USER_DATA });
    before.boot();
    before.set(change);
    expect(before.boot()).toEqual({ status: 1, said: `kib-guestinfo: ${reason}\n` });
    expect(before.yaml('meta-data')).toEqual(METADATA);
  });

  run.each([
    ['echo secret >&2; exit 1', 'vmware-rpctool failed with status 1'],
    [undefined, 'vmware-rpctool cannot be run: No such file or directory'],
  ])('leaves a seed alone when the hypervisor cannot be asked: %s', (body, reason) => {
    const vm = machine(python, { metadata: JSON.stringify(METADATA) });
    vm.boot();
    if (body === undefined) rmSync(join(vm.root, 'bin/vmware-rpctool'));
    else vm.tool(`#!/bin/sh\n${body}\n`);
    expect(vm.boot()).toEqual({ status: 1, said: `kib-guestinfo: ${reason}\n` });
    expect(vm.yaml('meta-data')).toEqual(METADATA);
  });

  run('takes a value in an unknown encoding as text, and says so', () => {
    const vm = machine(python, { userdata: USER_DATA, 'userdata.encoding': 'rot13' });
    expect(vm.boot()).toEqual({
      status: 0,
      said: 'kib-guestinfo: guestinfo.userdata has an unknown encoding, and is taken as text\nkib-guestinfo: wrote meta-data, user-data\n',
    });
  });

  run('removes its seed once guestinfo has nothing any more', () => {
    const vm = machine(python, { metadata: JSON.stringify(METADATA), userdata: USER_DATA });
    vm.boot();
    vm.set({ metadata: undefined, userdata: ' ---\n' });
    expect(vm.boot()).toEqual({ status: 0, said: 'kib-guestinfo: guestinfo has nothing any more, so the seed is gone\n' });
    expect(existsSync(vm.seed)).toBe(false);
    expect(vm.boot()).toEqual({ status: 0, said: '' });
  });

  run('leaves a seed alone that somebody else put there', () => {
    const vm = machine(python, { metadata: JSON.stringify({ ...METADATA, redact: 'metadata' }) });
    mkdirSync(vm.seed, { recursive: true });
    writeFileSync(join(vm.seed, 'meta-data'), 'instance-id: theirs\n');
    expect(vm.boot()).toEqual({ status: 0, said: `kib-guestinfo: ${vm.seed} has a seed from elsewhere, which stays\n` });
    expect(vm.value('metadata')).not.toBe('---');
    vm.set({ metadata: undefined });
    expect(vm.boot()).toEqual({ status: 0, said: '' });
    expect(vm.file('meta-data')).toBe('instance-id: theirs\n');
    expect(vm.names()).toEqual(['meta-data']);
  });

  run.each(['redact', 'cleanup-guestinfo'])('clears what %s names, once it is written', (key) => {
    const vm = machine(python, {
      metadata: JSON.stringify({ ...METADATA, [key]: ['userdata', 'vendordata'] }),
      userdata: base64(USER_DATA),
      'userdata.encoding': 'base64',
    });
    expect(vm.boot().status).toBe(0);
    expect(vm.file('user-data')).toBe(USER_DATA);
    expect([vm.value('userdata'), vm.value('userdata.encoding'), vm.value('vendordata')]).toEqual(['---', ' ', '---']);
    expect(vm.boot().status).toBe(0);
    expect(vm.file('user-data')).toBe('');
    expect(vm.yaml('meta-data')).toMatchObject(METADATA);
  });
});
