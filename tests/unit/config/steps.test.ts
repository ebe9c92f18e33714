import { describe, expect, it } from 'vitest';
import { planBuild } from '../../../src/plan/planner.ts';
import { configuredImage, report } from '../../support/configured.ts';

const yaml = (...steps: readonly string[]) => ['image: debian13', 'provision:', ...steps, ''].join('\n');

describe('steps of the user’s own', () => {
  it('may be all that there is', async () => {
    const files = {
      'node.yaml': yaml(
        '  - shell: apt-get update',
        '    at: before-packages',
        '    attempts: 3',
        '    pauseSeconds: 30',
        '    environment: { http_proxy: http://proxy:3128 }',
        '    secrets: { TOKEN: { env: GH_TOKEN }, KEY: { file: key.pem }, PASS: { command: [pass, show, x] } }',
        '  - { script: tune.sh, name: tune, unless: test -e /etc/tuned, when: { family: [debian, rhel] } }',
        '  - { dir: etc, to: /etc/mine }',
        '  - { file: tune.sh, to: /usr/local/bin/tune, mode: "755" }',
        `  - { download: "https://example.org/a", sha256: ${'a'.repeat(64)}, to: /opt/a }`,
        '  - { reboot: true }',
        '  - { reboot: { timeoutSeconds: 60, unless: "true" } }',
        '  - { breakpoint: look around }',
        '  - { shell: date, when: { os: rocky10 } }',
      ),
      'tune.sh': '#!/bin/sh\n',
      'etc/a/b.conf': 'b',
      'etc/c.conf': 'c',
    };
    const { image } = await configuredImage({ files });
    const { layers } = planBuild(image);
    const own = layers.filter(({ name }) => name.startsWith('provision'));
    expect(own.map(({ name, actions }) => [name, actions.map(({ kind }) => kind)])).toEqual([
      ['provision-before-packages', ['exec']],
      ['provision', ['put', 'exec', 'put', 'put', 'put', 'put', 'reboot', 'reboot', 'breakpoint']],
    ]);
    expect(own[1]?.actions.flatMap((action) => (action.kind === 'put' ? [action.path] : [])).slice(1)).toEqual([
      '/etc/mine/a/b.conf',
      '/etc/mine/c.conf',
      '/usr/local/bin/tune',
      '/opt/a',
    ]);
    expect(image.dir).toMatch(/kib-test-/);
  });

  it('are refused by line and column', async () => {
    const files = {
      'node.yaml': yaml(
        '  - shell: date',
        '    atempts: 3',
        '  - shell: date',
        '    secrets: { A: { env: X, file: y } }',
        '  - shell: date',
        '    secrets: { 1A: { env: X } }',
        '  - shell: date',
        '    secrets: { A: plain-text }',
      ),
    };
    expect(await report({ files })).toMatchInlineSnapshot(`
      "4 problems:
        node.yaml:4:5: provision[0].atempts: is no known setting (did you mean provision[0].attempts?)
        node.yaml:6:16: provision[1].secrets.A: cannot have file and env together
        node.yaml:8:16: provision[2].secrets.1A: must be a variable name: letters, digits and _, no digit first, got "1A"
        node.yaml:10:19: provision[3].secrets.A: must be settings, got ***"
    `);
  });

  it('are refused where they cannot stand or name what is not there', async () => {
    const files = {
      'node.yaml': yaml(
        '  - shell: date',
        '    when: { os: rockey10, driver: qmu }',
        '  - shell: date',
        '    after: kubernets',
        '  - reboot: true',
        '    at: after-seal',
        '  - dir: gone',
        '    to: /x',
        '  - dir: node.yaml',
        '    to: /x',
      ),
    };
    expect(await report({ files })).toMatchInlineSnapshot(`
      "6 problems:
        node.yaml:4:17: provision[0].when.os: is no operating system of the catalog, got rockey10 (did you mean rocky10?)
        node.yaml:4:35: provision[0].when.driver: must be one of qemu, toy, got qmu (did you mean qemu?)
        node.yaml:6:12: provision[1].after: must be a recipe of this image, got kubernets (it has node, containerd, kubernetes)
        node.yaml:8:9: provision[2].at: cannot reboot after the seal (a boot would write again what the seal removed)
        node.yaml:9:10: provision[3].dir: <dir>/gone does not exist
        node.yaml:11:10: provision[4].dir: <dir>/node.yaml is not a folder"
    `);
  });
});
