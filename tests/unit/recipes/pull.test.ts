import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { importActions, listNames, missing, pullAction, pullSettings } from '../../../recipes/pull.ts';
import { CONTAINERD_RUNTIME, CRIO_RUNTIME } from '../../../recipes/runtime.ts';
import { sh } from '../../../src/core/index.ts';
import { fakeMachine } from '../../support/fake-commands.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const OTHER = `sha256:${'b'.repeat(64)}`;
const settings = (given: object = {}) => z.strictObject(pullSettings).parse({ parallel: 1, ...given });

/** `ctr` with a store of names and digests in a file; `broken` counts failures still to come of pulls. */
const CTR = `
shift 3
case $1 in
  ls) echo 'REF TYPE DIGEST SIZE'; cat "$root/store" ;;
  pull)
    for name in "$@"; do :; done
    left=$(cat "$root/broken" 2>/dev/null || echo 0)
    if [ "$left" -gt 0 ]; then echo $((left - 1)) >"$root/broken"; echo 'connection reset' >&2; exit 1; fi
    echo "$name type ${DIGEST} 1" >>"$root/store" ;;
  tag)
    digest=$(grep -F "$3 " "$root/store" | head -n 1 | cut -d' ' -f3)
    grep -v "^$4 " "$root/store" >"$root/left"; mv "$root/left" "$root/store"
    echo "$4 type $digest 1" >>"$root/store" ;;
  rm) grep -v "^$2 " "$root/store" >"$root/left"; mv "$root/left" "$root/store" ;;
  import) echo 'docker.io/library/app:1 type ${DIGEST} 1' >>"$root/store" ;;
esac`;

async function containerd(store = '') {
  const fake = await fakeMachine({ ctr: CTR, sleep: '' });
  await fake.put('store', store);
  const script = (action: object) => ('script' in action ? (action.script as { text: string }).text : '');
  return {
    ...fake,
    pull: (names: readonly string[], given: object = {}) =>
      fake.run(`set -eu\n${script(pullAction('pull', listNames(names), CONTAINERD_RUNTIME, settings(given)))}`),
    archive: (images: readonly string[]) => {
      const from = { path: '/a.tar', sha256: '' };
      const actions = importActions({ from, images: [...images] }, CONTAINERD_RUNTIME, 0, 'test');
      return fake.run(`set -eu\n${script(actions[1] ?? {})}`);
    },
    names: async () => fake.run(`cut -d' ' -f1 ${fake.root}/store`).output.trim().split('\n').sort(),
  };
}

describe('pulling into containerd', () => {
  it('pulls by tag, by digest and both, and leaves what is there alone', async () => {
    const machine = await containerd(`docker.io/library/there:1 type ${DIGEST} 1\n`);
    const names = ['docker.io/library/there:1', 'docker.io/library/tag:1', `quay.io/a/b@${DIGEST}`, `quay.io/c/d:2@${DIGEST}`];
    const { status, output } = machine.pull(names);
    expect(status, output).toBe(0);
    expect(await machine.names()).toEqual([
      'docker.io/library/tag:1',
      'docker.io/library/there:1',
      `quay.io/a/b@${DIGEST}`,
      'quay.io/c/d:2',
      `quay.io/c/d@${DIGEST}`,
    ]);
    expect((await machine.calls()).filter((call) => call.includes('there:1'))).toEqual([]);
  });

  it('goes to the mirror, with its login, and keeps the image’s own name', async () => {
    const machine = await containerd();
    const given = {
      mirrors: { 'docker.io': 'mirror.example:5000/hub' },
      plainHttp: ['mirror.example:5000'],
      credentials: { 'mirror.example:5000': { username: 'me', password: { env: 'X' } } },
    };
    const action = pullAction('pull', listNames(['docker.io/library/app:1']), CONTAINERD_RUNTIME, settings(given));
    expect(action).toMatchObject({ secrets: { KIB_REGISTRY_PASSWORD_1: { env: 'X' } } });
    const script = 'script' in action ? (action.script as { text: string }).text : '';
    const { status, output } = machine.run(`set -eu\nexport KIB_REGISTRY_PASSWORD_1='a b$c'\n${script}`);
    expect(status, output).toBe(0);
    expect(await machine.names()).toEqual(['docker.io/library/app:1']);
    expect((await machine.calls()).find((call) => call.includes(' pull '))).toBe(
      'ctr --namespace k8s.io images pull --hosts-dir /etc/containerd/certs.d --plain-http --user me:a b$c mirror.example:5000/hub/library/app:1',
    );
  });

  it('tries each image again, and the others although one fails', async () => {
    const machine = await containerd();
    await machine.put('broken', '2');
    expect(machine.pull(['docker.io/library/a:1'], { attempts: 3 }).status).toBe(0);
    await machine.put('broken', '2');
    const { status, output } = machine.pull(['docker.io/library/b:1', 'docker.io/library/c:1'], { attempts: 2 });
    expect(status).not.toBe(0);
    expect(output).toContain('docker.io/library/b:1: not pulled after 2 attempts');
    expect(await machine.names()).toEqual(['docker.io/library/a:1', 'docker.io/library/c:1']);
  });

  it('takes an archive only with the images it is to bring, by digest too', async () => {
    const machine = await containerd();
    expect(machine.archive([`docker.io/library/app:1@${DIGEST}`]).status).toBe(0);
    expect(await machine.names()).toContain(`docker.io/library/app@${DIGEST}`);
    const wrong = machine.archive([`docker.io/library/app:1@${OTHER}`]);
    expect([wrong.status, wrong.output]).toEqual([
      1,
      expect.stringContaining(`the archive does not bring docker.io/library/app@${OTHER}`),
    ]);
  });
});

describe('looking for images', () => {
  it('does not believe a name whose digest is another’s', async () => {
    const machine = await containerd(`quay.io/a/b@${DIGEST} type ${OTHER} 1\n`);
    const looked = machine.run(sh`${listNames([`quay.io/a/b@${DIGEST}`])} | ${missing(CONTAINERD_RUNTIME)}`.text);
    expect(looked.output.trim()).toBe(`quay.io/a/b@${DIGEST}`);
  });

  it('asks skopeo about the store of CRI-O', async () => {
    const fake = await fakeMachine({ skopeo: 'case $* in *there*) ;; *) exit 1 ;; esac' });
    const looked = fake.run(
      sh`${listNames(['docker.io/library/there:1', 'docker.io/library/gone:1'])} | ${missing(CRIO_RUNTIME)}`.text,
    );
    expect(looked.output.trim()).toBe('docker.io/library/gone:1');
  });
});

describe('pulling for CRI-O', () => {
  it('copies into its store, under digest and tag', async () => {
    const fake = await fakeMachine({ skopeo: 'case $1 in inspect) exit 1 ;; esac', sleep: '' });
    const given = { mirrors: { 'quay.io': 'mirror.example' } };
    const action = pullAction('pull', listNames([`quay.io/c/d:2@${DIGEST}`]), CRIO_RUNTIME, settings(given));
    const { status, output } = fake.run(`set -eu\n${'script' in action ? (action.script as { text: string }).text : ''}`);
    expect(status, output).toBe(0);
    expect((await fake.calls()).filter((call) => call.includes('copy'))).toEqual([
      `skopeo copy --quiet docker://mirror.example/c/d@${DIGEST} containers-storage:quay.io/c/d@${DIGEST}`,
      `skopeo copy --quiet containers-storage:quay.io/c/d@${DIGEST} containers-storage:quay.io/c/d:2`,
    ]);
  });
});
