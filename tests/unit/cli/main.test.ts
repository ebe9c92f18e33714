import { describe, expect, it } from 'vitest';
import { cli } from '../../support/cli.ts';
import { qemu, testRegistry } from '../../support/registry.ts';

describe('help and version', () => {
  it('prints help on standard output', async () => {
    const { code, stdout, stderr } = await cli(['--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('Usage: kib-native');
    expect(stdout).toMatch(/build .*plan .*validate .*inspect .*list .*schema .*doctor .*gc .*ssh .*seed .*cache /s);
  });

  it('prints help on standard error, as a mistake, when nothing is asked', async () => {
    const { code, stdout, stderr } = await cli([]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('Usage: kib-native');
  });

  it('describes every flag and, from the schema, every setting', async () => {
    const { code, stdout } = await cli(['build', '--help']);
    expect(code).toBe(0);
    for (const flag of [
      '--driver',
      '--format',
      '--output-dir',
      '--var',
      '--var-file',
      '--kubernetes-version',
      '--without',
      '--only',
    ]) {
      expect(stdout).toContain(flag);
    }
    expect(stdout).toContain('Virtual size of the disk (default: 20GiB)');
  });

  it('prints the version of package.json', async () => {
    const { code, stdout } = await cli(['--version']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe('mistakes', () => {
  it.each([
    [['bild'], "error KIB_USAGE: unknown command 'bild'\nhint: did you mean build?\n"],
    [['validate', 'debian13', '--formt', 'raw'], "error KIB_USAGE: unknown option '--formt'\nhint: did you mean --format?\n"],
    [['build'], "error KIB_USAGE: missing required argument 'image'\nhint: kib-native build --help\n"],
    [
      ['build', 'debian13', '--on-error', 'explode'],
      "error KIB_USAGE: option '--on-error <what>' argument 'explode' is invalid. Allowed choices are cleanup, keep, shell.\nhint: kib-native build --help\n",
    ],
    [
      ['build', 'debian13', '--on-error', 'shell'],
      'error KIB_USAGE: --on-error shell needs a terminal\nhint: --on-error keep, then kib-native ssh <build>\n',
    ],
    [['doctor', '--driver', 'qmeu'], 'error KIB_USAGE: there is no driver qmeu\nhint: did you mean qemu?\n'],
    [['gc', 'nobody'], 'error KIB_USAGE: there is no build nobody\nhint: kib-native gc --dry-run\n'],
  ])('%j', async (argv, expected) => {
    expect(await cli(argv)).toMatchObject({ code: 2, stdout: '', stderr: expected });
  });

  it('prints errors as JSON when JSON is asked for', async () => {
    const { code, stdout, stderr } = await cli(['plan', 'node.yaml', '--json'], { files: { 'node.yaml': 'image: debain13\n' } });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(JSON.parse(stderr)).toMatchObject({
      error: {
        code: 'KIB_CONFIG_INVALID',
        class: 'config',
        details: { issues: [{ path: 'image', source: 'node.yaml:1:8', hint: 'did you mean debian13?' }] },
      },
    });
  });

  it('asks for a bug report when the fault is ours', async () => {
    const registry = () => Promise.reject(new TypeError('x is not a function'));
    const { code, stdout, stderr } = await cli(['list'], { registry });
    expect({ code, stdout }).toEqual({ code: 70, stdout: '' });
    expect(stderr).toMatch(/this is a bug in kib-native: x is not a function[\s\S]*kib-native \d.*Node[\s\S]*at /);
    const json = await cli(['list', '--json'], { registry });
    expect(JSON.parse(json.stderr)).toMatchObject({ error: { code: 'BUG', message: 'x is not a function' } });
  });

  it('colours by FORCE_COLOR, never under NO_COLOR', async () => {
    const coloured = await cli(['nope'], { env: { FORCE_COLOR: '1' } });
    expect(coloured.stderr).toContain('\u001B[31merror');
    const plain = await cli(['nope'], { env: { FORCE_COLOR: '1', NO_COLOR: '1' } });
    expect(plain.stderr).not.toContain('\u001B');
  });
});

describe('validate and plan', () => {
  it('says what is fine', async () => {
    const { code, stdout } = await cli(['validate', 'debian13', 'rocky10', '--kubernetes-version', 'v1.35.4']);
    expect(code).toBe(0);
    expect(stdout).toBe('debian13: ok (debian13-kube-v1.35.4)\nrocky10: ok (rocky10-kube-v1.35.4)\n');
  });

  it('refuses two images that would be one', async () => {
    const { code, stderr } = await cli(['validate', 'debian13', 'node.yaml'], { files: { 'node.yaml': 'image: debian13\n' } });
    expect(code).toBe(2);
    expect(stderr).toMatch(/node\.yaml: name: another image is called debian13-kube-v1\.\S+ too \(give one of them a name\)/);
  });

  it('prints a plan as text and as JSON', async () => {
    const text = await cli(['plan', 'debian13', '--without', 'kubernetes']);
    expect(text.code).toBe(0);
    expect(text.stdout).toMatch(/^debian13 {2}\(debian13 for tests, amd64\)/);
    const json = await cli(['plan', 'debian13', '--json', '--var', 'base=bootstrap']);
    expect(JSON.parse(json.stdout)).toMatchObject({ v: 1, base: { kind: 'bootstrap' }, driver: { name: 'qemu' } });
    const several = await cli(['plan', 'debian13', 'rocky10', '--json']);
    expect(JSON.parse(several.stdout)).toHaveLength(2);
  });

  it('warns on standard error, once per file and reason', async () => {
    const files = { 'packer.json': '{"kubernetes_semver": "v1.35.4", "vm_name": "x", "artifact_name": "y"}' };
    const { code, stdout, stderr } = await cli(['validate', 'debian13'], { files, env: { PACKER_VAR_FILES: 'packer.json' } });
    expect(code).toBe(0);
    expect(stdout).toBe('debian13: ok (debian13-kube-v1.35.4)\n');
    expect(stderr).toBe('warning packer.json: vm_name, artifact_name: the name of an image is the setting name\n');
  });
});

describe('inspect, list and schema', () => {
  it('tells each value, where it came from and what it would be', async () => {
    const { stdout } = await cli(['inspect', 'node.yaml', '--var', 'cpus=4'], {
      files: { 'node.yaml': 'image: debian13\ndisk: 30GiB\n' },
    });
    expect(stdout).toMatch(/^cpus +4 +--var cpus +default 2$/m);
    expect(stdout).toMatch(/^disk +30GiB +node\.yaml:2:7 +default 20GiB$/m);
    expect(stdout).toMatch(/^recipes\.containerd\.version +2\.3\.2 +default$/m);
    expect(stdout).toMatch(/^recipes\.watchdog\.seconds +- +default$/m);
    const json = JSON.parse((await cli(['inspect', 'debian13', '--json'])).stdout) as { path: string }[];
    expect(json.find(({ path }) => path === 'memory')).toMatchObject({
      value: 2 * 1024 ** 3,
      default: '2GiB',
      origin: 'default',
    });
  });

  it('lists what there is', async () => {
    const { stdout } = await cli(['list']);
    expect(stdout).toMatch(
      /images\n {2}debian13 .*\n[\s\S]*drivers\n[\s\S]*recipes\n[\s\S]*watchdog .*only when named[\s\S]*formats\n/,
    );
    const formats = JSON.parse((await cli(['list', 'formats', '--json'])).stdout) as unknown;
    expect(formats).toMatchObject([{ name: 'qcow2' }, { name: 'raw' }, { name: 'ova' }]);
  });

  it('prints a JSON Schema', async () => {
    expect(JSON.parse((await cli(['schema'])).stdout)).toMatchObject({ type: 'object', required: ['image'] });
  });
});

describe('doctor', () => {
  const lacking = () =>
    Promise.resolve({
      ...testRegistry,
      drivers: [
        {
          ...qemu,
          doctor: () =>
            Promise.resolve([{ name: 'QEMU', status: 'missing' as const, detail: 'not installed', fix: 'apt-get it' }]),
        },
      ],
    });

  it('ends with 3 and says how to get what is missing', async () => {
    const { code, stdout } = await cli(['doctor'], { registry: lacking });
    expect(code).toBe(3);
    expect(stdout).toContain('driver qemu\n  ✗ QEMU: not installed\n      apt-get it\n');
  });

  it('prints findings as JSON', async () => {
    const { stdout } = await cli(['doctor', '--json'], { registry: lacking });
    expect(JSON.parse(stdout)).toEqual(
      expect.arrayContaining([
        { title: 'driver qemu', findings: [{ name: 'QEMU', status: 'missing', detail: 'not installed', fix: 'apt-get it' }] },
      ]),
    );
  });
});
