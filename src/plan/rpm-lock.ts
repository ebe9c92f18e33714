import type { Sh } from '../core/index.ts';
import { waitForLock } from './package-lock.ts';

/** rpm's own, which is locked (fcntl(2)) by whoever changes its database. */
const RPM_LOCKS = ['/var/lib/rpm/.rpm.lock', '/usr/lib/sysimage/rpm/.rpm.lock', '/run/.tdnf-instance-lockfile'];
/** They hold the number of a process. Of dnf (dnf/lock.py), yum and zypper. */
const PID_FILES = ['/var/cache/dnf/*_lock.pid', '/var/lib/dnf/*_lock.pid', '/run/yum.pid', '/run/zypp.pid'];

/** Waits while another program changes packages, which dnf and rpm do without end. */
export const waitForRpmLock: Sh = waitForLock(RPM_LOCKS, PID_FILES);
