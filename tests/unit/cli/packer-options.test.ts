import { expect, it } from 'vitest';
import { packerOptions } from '../../../src/cli/packer-options.ts';
import { cli } from '../../support/cli.ts';

it.each([
  [
    'build -var a=b -var-file f.json x',
    'build -var a=b -var-file f.json x'.replace('-var a', '--var a').replace('-var-file', '--var-file'),
  ],
  ['build -var-file=f.json -only=a,b -except=c x', 'build --var-file=f.json --only=a,b --except=c x'],
  ['build -on-error=ask x', 'build --on-error=shell x'],
  ['build -on-error abort x', 'build --on-error=keep x'],
  ['build -on-error=cleanup -force -debug x', 'build --on-error=cleanup --force --debug x'],
  ['build -force=false x', 'build x'],
  ['build -machine-readable -parallel-builds=0 x', 'build --json --parallel=auto x'],
  ['build -parallel-builds 2 x', 'build --parallel=2 x'],
  ['build x -- -var', 'build x -- -var'],
  ['build -unknown x', 'build -unknown x'],
  ['seed -o out x', 'seed -o out x'],
  ['ssh abc -var', 'ssh abc -var'],
  ['', ''],
])('%s', (given, expected) => {
  expect(packerOptions(given.split(' ')).join(' ')).toBe(expected);
});

it('works from the command line on', async () => {
  const { code, stdout, stderr } = await cli([
    'validate',
    '-var',
    'kubernetes_semver=v1.35.4',
    '-only=debian13',
    'debian13',
    'rocky10',
  ]);
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toBe('debian13: ok (debian13-kube-v1.35.4)\n');
});
