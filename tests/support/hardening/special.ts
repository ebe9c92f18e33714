import { KUBELET_DROP_IN, KUBELET_FILE } from '../../../recipes/hardening/kubelet.ts';
import { type Sh, sh } from '../../../src/core/index.ts';
import { back, fileMode, keep, type Sabotage } from './undo.ts';

const edited = (path: string, edit: Sh, ...named: readonly string[]): Sabotage => ({
  undo: sh`
    ${keep(path)}
    ${edit}
  `,
  restore: back(path),
  named,
});

const talkative = (path: string) => edited(path, sh`echo 'Welcome to Debian' >>${path}`, 'Welcome to Debian');

const JOURNALD = '/etc/systemd/journald.conf.d/99-kib-undo.conf';
const journald = (line: string, ...named: readonly string[]): Sabotage => ({
  undo: sh`printf '[Journal]\n%s\n' ${line} >${JOURNALD}`,
  restore: sh`rm ${JOURNALD}`,
  named,
});

const sharedMemory = (option: string): Sabotage => ({
  undo: sh`mount -o ${`remount,${option}`} /dev/shm`,
  restore: sh`mount -o remount,nosuid,nodev,noexec /dev/shm`,
  named: ['/dev/shm is mounted'],
});

const LIMITS = '/etc/security/limits.d/10-kib-hardening.conf';
const COREDUMPS = '/etc/systemd/coredump.conf.d/10-kib-hardening.conf';
const CONFIG = '/var/lib/kubelet/config.yaml';

/** What cannot be told from a control's wants, by its id. */
export const SPECIAL: Readonly<Record<string, readonly Sabotage[]>> = {
  'linux-1.1.15': [sharedMemory('dev')],
  'linux-1.1.16': [sharedMemory('suid')],
  'linux-1.1.17': [sharedMemory('exec')],
  'linux-1.1.21': [
    { undo: sh`mkdir -m 0777 /var/lib/kib-open`, restore: sh`rmdir /var/lib/kib-open`, named: ['/var/lib/kib-open'] },
  ],
  'linux-1.1.22': [
    {
      undo: sh`
        printf '[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n' >/etc/systemd/system/autofs.service
        systemctl --quiet enable autofs.service
      `,
      restore: sh`
        systemctl --quiet disable autofs.service
        rm /etc/systemd/system/autofs.service
      `,
      named: ['autofs is enabled'],
    },
  ],
  'linux-1.5.1': [
    // What a login without the file would have inherited.
    edited(
      LIMITS,
      sh`
        rm ${LIMITS}
        pid=$$
        while [ "$pid" -gt 1 ]; do
          prlimit --core=unlimited:unlimited --pid "$pid"
          pid=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$pid/status")
        done
      `,
      'a login may write core files of unlimited blocks',
    ),
    edited(COREDUMPS, sh`rm ${COREDUMPS}`, 'systemd keeps core files: external'),
  ],
  'linux-1.7.1.1': [talkative('/etc/motd')],
  'linux-1.7.1.2': [talkative('/etc/issue')],
  'linux-1.7.1.3': [talkative('/etc/issue.net')],
  'linux-4.2.2.2': [journald('Compress=no', "journald's Compress is no")],
  'linux-4.2.2.3': [
    journald('Storage=volatile', "journald's Storage is volatile"),
    {
      undo: sh`mv /var/log/journal /var/log/journal.kib`,
      restore: sh`mv /var/log/journal.kib /var/log/journal`,
      named: ['journal is not on disk'],
    },
  ],
  'linux-5.1.8': [
    { undo: sh`touch /etc/cron.deny`, restore: sh`rm /etc/cron.deny`, named: ['/etc/cron.deny exists'] },
    { undo: sh`touch /etc/at.deny`, restore: sh`rm /etc/at.deny`, named: ['/etc/at.deny exists'] },
    edited('/etc/cron.allow', sh`rm /etc/cron.allow`, '/etc/cron.allow is missing'),
    fileMode({ path: '/etc/at.allow', mode: '0600', owners: ['root:root'] }),
  ],
  'linux-5.4.2': [
    edited('/etc/passwd', sh`sed -i 's#^\(daemon:.*:\)[^:]*$#\1/bin/sh#' /etc/passwd`, 'daemon has the shell /bin/sh'),
  ],
  'linux-5.4.3': [edited('/etc/passwd', sh`sed -i 's/^root:x:0:0:/root:x:0:1:/' /etc/passwd`, "root's group is 1")],
  'linux-5.4.4': [
    edited('/etc/profile.d/90-kib-umask.sh', sh`rm /etc/profile.d/90-kib-umask.sh`, 'a login has umask 0022'),
    edited('/etc/login.defs', sh`sed -i '/^UMASK/d' /etc/login.defs`, 'UMASK of /etc/login.defs is nothing'),
  ],
  'linux-5.4.5': [
    edited('/etc/profile.d/90-kib-timeout.sh', sh`rm /etc/profile.d/90-kib-timeout.sh`, 'a shell ends after never'),
  ],
  'linux-6.2.1': [edited('/etc/shadow', sh`echo 'kib-open::20000:0:99999:7:::' >>/etc/shadow`, 'kib-open has no password')],
  'linux-6.2.5': [edited('/etc/passwd', sh`echo 'kib-toor:x:0:0::/:/usr/sbin/nologin' >>/etc/passwd`, 'kib-toor is root')],
  'kubernetes-4.1.9': [
    {
      undo: sh`install -m 0644 /dev/null ${CONFIG}`,
      restore: sh`rm ${CONFIG}`,
      named: [`${CONFIG} has mode 644`],
    },
    {
      undo: sh`
        ${keep(KUBELET_DROP_IN)}
        sed -i '/^ExecStartPre=/d' ${KUBELET_DROP_IN}
        systemctl daemon-reload
      `,
      restore: sh`
        ${back(KUBELET_DROP_IN)}
        systemctl daemon-reload
      `,
      named: ['kubelet.service leaves config.yaml as kubeadm made it'],
    },
  ],
  'kubernetes-4.1.10': [fileMode({ path: KUBELET_FILE, mode: '0777', owners: ['root:root'] })],
};
