import { type Action, sh } from '../../src/core/index.ts';
import { type Control, type FileMode, linux } from './control.ts';
import { modesAre, rootOnly, systemdSetting } from './observe.ts';

const CRON_FOLDERS = { '5.1.3': 'hourly', '5.1.4': 'daily', '5.1.5': 'weekly', '5.1.6': 'monthly' } as const;

/** Sections 1.7 banners, 4.2 logs, 5.1 cron, 5.4 accounts, 6.1 files of accounts, 6.2 their contents. */
export const ACCOUNTS: readonly Control[] = [
  ...['motd', 'issue', 'issue.net'].flatMap((file, index) => [
    linux(`1.7.1.${index + 1}`, `/etc/${file} says nothing of the system`, {
      wants: { actions: ({ banner }) => (file === 'motd' ? [hush] : [bannerFile(`/etc/${file}`, banner)]) },
      check: () =>
        sh`if [ -e ${`/etc/${file}`} ] && grep -E '\\[mrsv]|debian|ubuntu|rocky|red hat|photon' -i ${`/etc/${file}`}; then :; fi`,
    }),
    modes(`1.7.1.${index + 4}`, `only root writes /etc/${file}`, rootOnly('0644', `/etc/${file}`)),
  ]),
  linux('4.2.2.2', 'journald compresses', {
    wants: { actions: () => [journald] },
    check: () => journaldSays('Compress', 'yes'),
  }),
  linux('4.2.2.3', 'the journal is kept on disk', {
    check: () => sh`
      ${journaldSays('Storage', 'persistent')}
      [ -e "/var/log/journal/$(cat /etc/machine-id)/system.journal" ] || echo 'this boot’s journal is not on disk'
    `,
    wants: { actions: () => [journald] },
    when: ['boot'],
  }),
  modes('5.1.2', 'only root reads /etc/crontab', rootOnly('0600', '/etc/crontab')),
  ...Object.entries(CRON_FOLDERS).map(([number, name]) =>
    modes(number, `only root enters /etc/cron.${name}`, rootOnly('0700', `/etc/cron.${name}`)),
  ),
  modes('5.1.7', 'only root enters /etc/cron.d', rootOnly('0700', '/etc/cron.d')),
  linux('5.1.8', 'only users that are listed use cron and at', {
    wants: { actions: () => [onlyListed] },
    check: () => sh`
      for name in cron at; do
        if [ -e "/etc/$name.deny" ]; then echo "/etc/$name.deny exists"; fi
        [ -e "/etc/$name.allow" ] || echo "/etc/$name.allow is missing"
      done
      ${modesAre(rootOnly('0600', '/etc/cron.allow', '/etc/at.allow'))}
    `,
  }),
  linux('5.4.2', 'accounts of the system cannot log in', {
    wants: { actions: () => [closeSystemAccounts] },
    check: () => sh`awk -F: ${`${SYSTEM_ACCOUNT} { print $1 " has the shell " $7 }`} /etc/passwd`,
  }),
  linux('5.4.3', 'root’s group is 0', { check: () => sh`[ "$(id -g root)" = 0 ] || echo "root's group is $(id -g root)"` }),
  linux('5.4.4', 'new files are closed to others', {
    wants: {
      actions: () => [
        { kind: 'file', path: '/etc/profile.d/90-kib-umask.sh', text: 'umask 027\n' },
        {
          kind: 'exec',
          title: 'set the umask of logins',
          script: sh`
            sed -i '/^[[:space:]]*UMASK[[:space:]]/d' /etc/login.defs
            printf 'UMASK\t\t027\n' >>/etc/login.defs
          `,
          timeoutMs: 60_000,
        },
      ],
    },
    check: () => sh`
      got=$(env -i HOME=/root PATH="$PATH" bash --login -c umask)
      [ "$got" = 0027 ] || echo "a login has umask $got"
      got=$(sed -n 's/^UMASK[[:space:]]*//p' /etc/login.defs)
      [ "$got" = 027 ] || echo "UMASK of /etc/login.defs is \${got:-nothing}"
    `,
  }),
  linux('5.4.5', 'idle shells end', {
    level: 2,
    wants: {
      actions: () => [{ kind: 'file', path: '/etc/profile.d/90-kib-timeout.sh', text: 'readonly TMOUT=900\nexport TMOUT\n' }],
    },
    check: () => sh`
      got=$(env -i HOME=/root PATH="$PATH" bash --login -c 'echo "\${TMOUT:-never}"')
      [ "$got" = 900 ] || echo "a shell ends after $got"
    `,
  }),
  modes('6.1.2', 'only root writes /etc/passwd', rootOnly('0644', '/etc/passwd')),
  modes('6.1.3', 'passwords are closed to others', shadow('/etc/shadow')),
  modes('6.1.4', 'only root writes /etc/group', rootOnly('0644', '/etc/group')),
  modes('6.1.5', 'group passwords are closed to others', shadow('/etc/gshadow')),
  modes('6.1.6', 'only root writes /etc/passwd-', rootOnly('0644', '/etc/passwd-')),
  modes('6.1.7', 'old passwords are closed to others', shadow('/etc/shadow-')),
  modes('6.1.8', 'only root writes /etc/group-', rootOnly('0644', '/etc/group-')),
  modes('6.1.9', 'old group passwords are closed to others', shadow('/etc/gshadow-')),
  linux('6.2.1', 'no password is empty', {
    check: () => sh`awk -F: '$2 == "" { print $1 " has no password" }' /etc/shadow`,
  }),
  linux('6.2.5', 'root alone is root', {
    check: () => sh`awk -F: '$3 == 0 && $1 != "root" { print $1 " is root" }' /etc/passwd`,
  }),
];

function modes(number: string, title: string, files: readonly FileMode[]): Control {
  return linux(number, title, { wants: { modes: files }, check: () => modesAre(files) });
}

function shadow(path: string): readonly FileMode[] {
  return [{ path, mode: '0640', owners: ['root:root', 'root:shadow'] }];
}

function bannerFile(path: string, text: string): Action {
  return { kind: 'file', path, text };
}

/** Where it is a link, programs write it at every login. */
const hush: Action = {
  kind: 'exec',
  title: 'empty /etc/motd',
  script: sh`if [ -f /etc/motd ] && [ ! -L /etc/motd ]; then : >/etc/motd; fi`,
  timeoutMs: 60_000,
};

const journald: Action = {
  kind: 'file',
  path: '/etc/systemd/journald.conf.d/10-kib-hardening.conf',
  text: '[Journal]\nStorage=persistent\nCompress=yes\n',
};

function journaldSays(name: string, value: string) {
  return sh`
    got=$(${systemdSetting('journald.conf', name)})
    [ "$got" = ${value} ] || echo ${`journald's ${name} is`} "$got"
  `;
}

const onlyListed: Action = {
  kind: 'exec',
  title: 'let only listed users use cron and at',
  script: sh`
    rm -f /etc/cron.deny /etc/at.deny
    for file in /etc/cron.allow /etc/at.allow; do
      [ -e "$file" ] || : >"$file"
      chown root:root "$file"
      chmod 0600 "$file"
    done
  `,
  timeoutMs: 60_000,
};

const SYSTEM_ACCOUNT = '$3 < 1000 && $1 !~ /^(root|sync|shutdown|halt)$/ && $7 !~ /(nologin|false)$/ && $7 != ""';

const closeSystemAccounts: Action = {
  kind: 'exec',
  title: 'take the shells of system accounts',
  script: sh`
    awk -F: ${`${SYSTEM_ACCOUNT} { print $1 }`} /etc/passwd | while read -r name; do
      usermod --shell "$(command -v nologin || echo /usr/sbin/nologin)" "$name"
    done
  `,
  timeoutMs: 60_000,
};
