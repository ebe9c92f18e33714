import { describe, expect, it } from 'vitest';
import { imageSchema } from '../../../src/core/index.ts';
import { planProvision } from '../../../src/plan/provision.ts';

const files = {
  'motd.txt': { path: '/home/me/my images/motd.txt', sha256: 'a'.repeat(64) },
  'setup.py': { path: '/home/me/my images/setup.py', sha256: 'b'.repeat(64), text: '#!/usr/bin/env python3\nprint("hi")\n' },
};

function plan(provision: unknown) {
  return planProvision({ spec: imageSchema.parse({ image: 'debian13', provision }), provisionFiles: files });
}

describe('planProvision', () => {
  it('runs shell as the user wrote it', () => {
    expect(plan([{ shell: 'echo "$HOME"\necho two', attempts: 2, timeoutSeconds: 5 }])).toMatchObject({
      actions: [
        { kind: 'exec', title: 'echo "$HOME"', script: { text: 'echo "$HOME"\necho two' }, attempts: 2, timeoutMs: 5000 },
      ],
      downloads: [],
    });
  });

  it('runs a script by its own first line and removes it', () => {
    const { actions } = plan([{ reboot: true }, { script: 'setup.py', name: 'set up' }]);
    expect(actions).toMatchObject([
      { kind: 'reboot' },
      { kind: 'put', path: '/var/tmp/kib-provision-1', mode: '0700', content: { kind: 'text', text: files['setup.py'].text } },
      { kind: 'exec', title: 'set up', script: { text: '/var/tmp/kib-provision-1\nrm -f /var/tmp/kib-provision-1' } },
    ]);
  });

  it('sends files by URL and digest, so that they are verified like any download', () => {
    const url = 'file:///home/me/my%20images/motd.txt';
    expect(plan([{ file: 'motd.txt', to: '/etc/motd', mode: '644' }])).toEqual({
      actions: [
        {
          kind: 'put',
          title: 'put motd.txt at /etc/motd',
          content: { kind: 'download', url },
          path: '/etc/motd',
          mode: '0644',
          owner: 'root:root',
        },
      ],
      downloads: [{ url, sha256: files['motd.txt'].sha256, why: 'provision: motd.txt' }],
    });
  });

  it('says which file was not read', () => {
    expect(() => plan([{ shell: ':' }, { file: 'gone', to: '/x' }])).toThrow(
      'provision[1].file: gone was not read from this host',
    );
  });
});
