import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { installScript } from '../../../recipes/kubevirt-files.ts';
import { type FakeMachine, fakeMachine } from '../../support/fake-commands.ts';

/** `kubectl` fails while a file of the name of what it is asked is below `broken`. */
const KUBECTL = 'for word in "$@"; do name=${word##*/}; [ ! -e "$root/broken/$name" ] || { echo "no $name" >&2; exit 1; }; done';
const KUBEADM = `case $1 in
  init) [ ! -e "$root/broken/init" ] || exit 1; mkdir -p "$root/etc"; echo config >"$root/etc/admin.conf" ;;
esac`;

async function machine(broken: readonly string[] = []): Promise<FakeMachine & { script(cdi?: boolean): string; motd(): string }> {
  // Time passes with every look at the clock.
  const date = 'now=$(cat "$root/now" 2>/dev/null || echo 0); echo $((now + 10)) | tee "$root/now"';
  const fake = await fakeMachine({
    kubectl: KUBECTL,
    kubeadm: KUBEADM,
    sleep: '',
    date,
    uname: 'case $1 in -m) echo x86_64 ;; *) echo node-7 ;; esac',
  });
  for (const name of broken) await fake.put(`broken/${name}`, '');
  await fake.put('files/cni.yaml', '');
  await fake.put('cpuinfo', 'flags\t\t: fpu vme sse2\n');
  const at = (path: string) => `${fake.root}/${path}`;
  const places = {
    folder: at('files'),
    state: at('state'),
    kubeconfig: at('etc/admin.conf'),
    rootConfig: at('root/.kube/config'),
    motd: at('motd'),
    cpuinfo: at('cpuinfo'),
    kvm: at('kvm'),
  };
  return {
    ...fake,
    script: (cdi = true) => installScript({ waitSeconds: 60, cdi }, places),
    motd: () => readFileSync(places.motd, 'utf8'),
  };
}

const steps = (calls: readonly string[]) =>
  calls
    .filter((call) => /^(kubeadm|kubectl)/.test(call))
    .map((call) =>
      call
        .replace(/--server-side --force-conflicts --filename \S*\//, '')
        .replace(/--(for=condition=|timeout=)/g, '')
        .replace(/--config \S*\//, ''),
    );

describe('the first boot of a KubeVirt machine', () => {
  it('makes a cluster, then each part once the one before is ready', async () => {
    const fake = await machine();
    const { status, output } = fake.run(fake.script());
    expect(status, output).toBe(0);
    expect(steps(await fake.calls())).toEqual([
      'kubeadm init kubeadm.yaml',
      'kubectl get --raw /readyz',
      'kubectl apply cni.yaml',
      'kubectl wait Ready 5s node --all',
      'kubectl apply kubevirt-operator.yaml',
      'kubectl wait Available 5s deployment/virt-operator --namespace kubevirt',
      'kubectl wait Established 5s crd/kubevirts.kubevirt.io --namespace default',
      'kubectl apply kubevirt-cr.yaml',
      'kubectl patch kubevirt kubevirt --namespace kubevirt --type merge --patch {"spec":{"configuration":{"developerConfiguration":{"useEmulation":true}}}}',
      'kubectl wait Available 5s kubevirt/kubevirt --namespace kubevirt',
      'kubectl apply cdi-operator.yaml',
      'kubectl wait Available 5s deployment/cdi-operator --namespace cdi',
      'kubectl wait Established 5s crd/cdis.cdi.kubevirt.io --namespace default',
      'kubectl apply cdi-cr.yaml',
      'kubectl wait Available 5s cdi/cdi --namespace cdi',
    ]);
    expect(fake.motd()).toBe('KubeVirt: ready on node-7; kubectl works for root\n');
    expect(readFileSync(`${fake.root}/root/.kube/config`, 'utf8')).toBe('config\n');
    expect([existsSync(`${fake.root}/files`), existsSync(`${fake.root}/state`)]).toEqual([false, false]);
  });

  it('leaves the data importer out when nobody wants it', async () => {
    const fake = await machine();
    expect(fake.run(fake.script(false)).status).toBe(0);
    expect((await fake.calls()).join('\n')).not.toContain('cdi');
  });

  it('emulates where the CPU could but the kernel has no KVM', async () => {
    const fake = await machine();
    await fake.put('cpuinfo', 'flags\t\t: fpu vmx sse2\n');
    expect(fake.run(fake.script()).status).toBe(0);
    expect((await fake.calls()).join('\n')).toContain('useEmulation');
  });

  it('does not emulate where there is hardware virtualisation', async () => {
    const fake = await machine();
    await fake.put('cpuinfo', 'flags\t\t: fpu svm sse2\n');
    // Any character device will do for one.
    const script = fake.script().replaceAll(`${fake.root}/kvm`, '/dev/null');
    expect(fake.run(script).status).toBe(0);
    expect((await fake.calls()).join('\n')).not.toContain('useEmulation');
  });

  it('says what it waited for in vain, and goes on from there when it is run again', async () => {
    const fake = await machine(['virt-operator']);
    const { status, output } = fake.run(fake.script());
    expect(status).toBe(1);
    expect(output).toContain('no virt-operator');
    expect(fake.motd()).toMatch(/^KubeVirt: not ready: waited 60 s for the operator of KubeVirt; /);
    await fake.calls();
    await fake.put('broken/virt-operator', '');
    const again = fake.run(`rm ${fake.root}/broken/virt-operator\n${fake.script()}`);
    expect(again.status, again.output).toBe(0);
    const calls = await fake.calls();
    expect(calls.filter((call) => call.startsWith('kubeadm'))).toEqual([]);
    expect(calls.filter((call) => call.includes('apply')).length).toBe(5);
  });

  it('takes a half-made cluster down before it makes another', async () => {
    const fake = await machine(['init']);
    expect(fake.run(fake.script()).status).toBe(1);
    expect(await fake.calls()).toEqual(['uname -n', expect.stringMatching(/^kubeadm init/)]);
    const again = fake.run(`rm ${fake.root}/broken/init\n${fake.script()}`);
    expect(again.status, again.output).toBe(0);
    expect((await fake.calls()).filter((call) => call.startsWith('kubeadm'))).toEqual([
      'kubeadm reset --force',
      expect.stringMatching(/^kubeadm init/),
    ]);
  });
});
