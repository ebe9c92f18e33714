import { describe, expect, it } from 'vitest';
import { loadRegistry } from '../../../src/cli/registry.ts';
import { cli } from '../../support/cli.ts';

const PASSWORD = 'Corr3ct-horse';
const NUMBER = 77_665_544;

/** Where a login of each hypervisor that asks for one is said to be. */
const ESXI = 'name: esxi, host: esxi.example';
const VSPHERE = 'name: vsphere, server: vcenter.example, username: kib, cluster: c, datastore: d';
const REFERENCES = ['{ env: KIB_TEST_PASSWORD }', '{ file: password }', '{ command: [cat, password] }'];

const run = async (argv: readonly string[], driver: string) => {
  const files = { password: `${PASSWORD}\n`, 'node.yaml': `image: ubuntu2404\ndriver: { ${driver} }\n` };
  const env = {
    KIB_TEST_PASSWORD: PASSWORD,
    VSPHERE_PASSWORD: PASSWORD,
    AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE',
    AWS_SECRET_ACCESS_KEY: PASSWORD,
  };
  const { code, stdout, stderr } = await cli(argv, { files, env, registry: loadRegistry });
  return { code, said: stdout + stderr };
};

const given = [
  ...REFERENCES.flatMap((password) => [`${ESXI}, password: ${password}`, `${VSPHERE}, password: ${password}`]),
  // As vsphere.json of image-builder has it.
  `${VSPHERE}, password: ${PASSWORD}`,
  VSPHERE,
  'name: ec2, region: eu-central-1',
];

describe('the password of a hypervisor', () => {
  it.each(given)('is not shown where %s', async (driver) => {
    for (const argv of [['plan'], ['plan', '--json'], ['validate', '--json'], ['inspect']]) {
      const { code, said } = await run([...argv, 'node.yaml'], driver);
      expect(code, said).toBe(0);
      expect(said).not.toContain(PASSWORD);
    }
  });

  it.each([
    [`${ESXI}, password: ${PASSWORD}`, 'must be settings, got ***'],
    [`${ESXI}, password: [${PASSWORD}]`, 'must be settings, got ***'],
    [`${ESXI}, password: { env: ${PASSWORD} }`, 'must be a variable name: letters, digits and _, no digit first, got ***'],
    [`${ESXI}, password: { command: ${PASSWORD} }`, 'must be a list, got ***'],
    [`${VSPHERE}, password: ${NUMBER}`, 'must be settings or text, got ***'],
  ])('is not repeated where it stands in the place of its name: %s', async (driver, message) => {
    for (const argv of [['validate'], ['validate', '--json'], ['plan']]) {
      const { code, said } = await run([...argv, 'node.yaml'], driver);
      expect(code).toBe(2);
      expect(said).toContain(message);
      expect(said).not.toMatch(new RegExp(`${PASSWORD}|${NUMBER}`));
    }
  });

  it('is not repeated where a variable gives it', async () => {
    const { code, said } = await run(['validate', 'node.yaml', '--var', `driver.password=${PASSWORD}`], ESXI);
    expect(code).toBe(2);
    expect(said).toContain('--var driver.password: must be settings, got ***');
    expect(said).not.toContain(PASSWORD);
  });
});
