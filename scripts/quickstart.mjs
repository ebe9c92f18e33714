// The README's first command: from a fresh clone to a real image that was booted and checked.
import { kib, must, setUp } from './setup.mjs';

const REPOSITORY = 'https://pkgs.k8s.io/core:/stable:/v1.36/deb/Release';

setUp();
const build = [...kib, 'build', 'debian13', '--driver', 'qemu', '--var', 'base=bootstrap', '--format', 'qcow2,ova', '--force'];
if (await isReachable(REPOSITORY)) {
  must('build a Kubernetes node image', [...build, ...process.argv.slice(2)]);
} else {
  console.error('\npkgs.k8s.io is not reachable from here: building the same node without kubelet, kubeadm and kubectl');
  must('build a node image', [
    ...build,
    '--without',
    'kubernetes',
    '--var',
    'recipes.containerd.source=package',
    '--var',
    'recipes.cni.source=package',
    ...process.argv.slice(2),
  ]);
}

async function isReachable(url) {
  try {
    return (await fetch(url, { method: 'HEAD', signal: AbortSignal.timeout(5000) })).ok;
  } catch {
    return false;
  }
}
