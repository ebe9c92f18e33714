import { raw, sh } from '../core/index.ts';
import { dnfLike } from './rpm-transaction.ts';

/** yum of CentOS 7 and Amazon Linux 2. */
export const yum = dnfLike({
  name: 'yum',
  // Options of yum.conf(5), version 3.4.3. By itself yum calls it a success when some of the packages do not exist.
  command: raw(
    'yum --assumeyes --setopt=skip_missing_names_on_install=0 --setopt=timeout=20 --setopt=retries=2 --setopt=exit_on_lock=1 --setopt=deltarpm=0',
  ),
  upgrade: 'update',
  lock: sh`yum --assumeyes versionlock add`,
  lockPackage: 'yum-plugin-versionlock',
});
