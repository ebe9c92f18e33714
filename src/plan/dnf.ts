import { raw, sh } from '../core/index.ts';
import { dnfLike } from './rpm-transaction.ts';

/** dnf of Enterprise Linux and Amazon Linux 2023. */
export const dnf = dnfLike({
  name: 'dnf',
  // Options of dnf.conf(5), version 4, which Enterprise Linux 8 to 10 and Amazon Linux 2023 have. Rebuilding packages from deltas takes longer
  // than fetching them. A server that does not answer is given up after a minute and a half, three times in all.
  command: raw(
    'dnf --assumeyes --setopt=install_weak_deps=False --setopt=timeout=20 --setopt=retries=2 --setopt=exit_on_lock=True --setopt=deltarpm=False --setopt=max_parallel_downloads=10',
  ),
  upgrade: 'upgrade',
  // Only what is installed counts, so no repository need be read.
  lock: sh`dnf --assumeyes --disablerepo='*' versionlock add`,
  lockPackage: 'python3-dnf-plugin-versionlock',
});
