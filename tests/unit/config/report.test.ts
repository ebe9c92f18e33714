import { describe, expect, it } from 'vitest';
import { reportIssues } from '../../../src/config/report.ts';
import { checkImage, rootSchema } from '../../../src/config/schema.ts';
import { testRegistry } from '../../support/registry.ts';

const root = rootSchema(testRegistry);

function problems(image: Readonly<Record<string, unknown>>): readonly string[] {
  const { issues } = checkImage(root, { image: 'debian13', ...image });
  return reportIssues(issues, root, (_, part) => part).map(
    ({ source, path, message, hint }) => `${source} ${path}: ${message}${hint === undefined ? '' : ` (${hint})`}`,
  );
}

describe('values', () => {
  it.each([
    [{ image: undefined }, 'value image: is required'],
    [{ cpus: '4' }, 'value cpus: must be a number, got "4"'],
    [{ cpus: 0 }, 'value cpus: must be at least 1, got 0'],
    [{ cpus: null }, 'value cpus: must be a number, got nothing'],
    [{ cpus: Number.NaN }, 'value cpus: must be a number, got NaN'],
    [{ cpus: 10 ** 23 }, 'value cpus: must be at most 256, got 1e+23'],
    [{ arch: 'x86_64' }, 'value arch: must be one of amd64, arm64, got "x86_64"'],
    [{ formats: [] }, 'value formats: must be at least 1 entries, got 0'],
    [{ formats: 'qcow2' }, 'value formats: must be a list, got "qcow2"'],
    [{ formats: ['vmdk'] }, 'value formats[0]: must be one of qcow2, raw, ova, ami, template, got "vmdk"'],
    [{ memory: true }, 'value memory: must be text or a number, got true'],
    [{ disk: '3 apples' }, 'value disk: is not a size; want something like 20GiB, got "3 apples"'],
    [{ name: 'Node_1' }, 'value name: must be lower-case letters, digits, dots and hyphens, got "Node_1"'],
    [{ kubernetes: { url: 'ftp://x' } }, 'value kubernetes.url: must be a URL with http:// or https://, got "ftp://x"'],
    [{ kubernetes: { version: '1.36.1' } }, 'value kubernetes.version: must look like v1.36.1, got "1.36.1"'],
    [
      { recipes: { containerd: { version: 2.1 } } },
      'value recipes.containerd.version: must be text, got 2.1 (put it in quotes: "2.1")',
    ],
    [
      { without: ['kubernets'] },
      'value without[0]: must be one of node, containerd, kubernetes, watchdog, seal, got "kubernets" (did you mean kubernetes?)',
    ],
  ])('%j', (image, expected) => {
    expect(problems(image)).toEqual([expected]);
  });
});

describe('names', () => {
  it.each([
    [{ formts: ['raw'] }, 'key formts: is no known setting (did you mean formats?)'],
    [{ containerd: {} }, 'key containerd: is no known setting (did you mean recipes.containerd?)'],
    [{ recipes: { kubernetes: {} } }, 'key recipes.kubernetes: is no known setting (did you mean kubernetes?)'],
    [{ recipes: { watchdog: { minutes: 1 } } }, 'key recipes.watchdog.minutes: is no known setting (known here: seconds)'],
    [{ kubernetes: { souce: 'pkg' } }, 'key kubernetes.souce: is no known setting (did you mean kubernetes.source?)'],
    [JSON.parse('{"__proto__": {}}') as Record<string, unknown>, 'key __proto__: is no known setting'],
  ])('%j', (image, expected) => {
    expect(problems(image)).toEqual([expected]);
  });
});

describe('alternatives', () => {
  it.each([
    [
      { base: 'cloudimage' },
      ['value base: must be one of cloud-image, pinned, latest, bootstrap, ami, got "cloudimage" (did you mean cloud-image?)'],
    ],
    [{ base: {} }, ['value base: must have file or url or bootstrap or ami or template']],
    [{ base: [] }, ['value base: must be settings, got an empty list']],
    [{ base: { fil: 'x' } }, ['key base.fil: is no known setting (did you mean base.file?)']],
    [{ base: { file: 3 } }, ['value base.file: must be text, got 3 (put it in quotes: "3")']],
    [{ base: { file: 'a', url: 'http://b', sha256: 'c' } }, ['value base: cannot have url and file together']],
    [{ base: { url: 'https://x/y' } }, ['value base.sha256: is required']],
    [
      { base: { bootstrap: { miror: 'x' } } },
      ['key base.bootstrap.miror: is no known setting (did you mean base.bootstrap.mirror?)'],
    ],
    [{ driver: 'vmware' }, ['value driver: must be one of qemu, toy, got "vmware"']],
    [{ driver: { name: 'qmeu' } }, ['value driver.name: must be one of qemu, toy, got "qmeu" (did you mean qemu?)']],
    [{ driver: { name: 'toy', tpm: true } }, ['key driver.tpm: is no known setting (it does not go with what stands beside it)']],
    [{ provision: [{}] }, ['value provision[0]: must have shell or script or file or dir or download or reboot or breakpoint']],
    [{ provision: ['echo'] }, ['value provision[0]: must be settings, got "echo"']],
    [{ provision: [{ shel: 'x' }] }, ['key provision[0].shel: is no known setting (did you mean provision[0].shell?)']],
    [
      { provision: [{ shell: 5, atempts: 2 }] },
      [
        'value provision[0].shell: must be text, got 5 (put it in quotes: "5")',
        'key provision[0].atempts: is no known setting (did you mean provision[0].attempts?)',
      ],
    ],
    [{ provision: [{ reboot: false }] }, ['value provision[0].reboot: must be true, got false']],
    [{ provision: [{ file: 'a', to: 'b' }] }, ['value provision[0].to: must start with /, got "b"']],
  ])('%j', (image, expected) => {
    expect(problems(image)).toEqual(expected);
  });
});
