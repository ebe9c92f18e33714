import { SSHD_DROP_IN } from '../../core/index.ts';
import { collect, entries, homes, present, type Rule, records, settings } from './rule.ts';

/** Account files and the copies that shadow's tools keep of them. */
const withCopies = (names: readonly string[]): readonly string[] => names.flatMap((name) => [`/etc/${name}`, `/etc/${name}-`]);

/** Fields of group(5) and gshadow(5) that list members or administrators. */
const listFields = (fields: readonly string[]): readonly string[] => fields.slice(2).flatMap((field) => field.split(','));

const noBuilder: Rule = {
  name: 'no-builder-account',
  title: 'the account of the build is gone',
  severity: 'failure',
  async judge(files, builder) {
    const accounts = withCopies(['passwd', 'shadow', 'subuid', 'subgid']);
    const groups = withCopies(['group', 'gshadow']);
    const problems = [
      ...(await collect([...accounts, ...groups], async (path) =>
        (await records(files, path)).some(([name]) => name === builder) ? [`${path} has ${builder}`] : [],
      )),
      ...(await collect(groups, async (path) =>
        (
          await records(files, path)
        )
          .filter((fields) => listFields(fields).includes(builder))
          .map(([group]) => `${path}: ${builder} is in ${group}`),
      )),
      ...(await present(files, [
        `/home/${builder}`,
        `/var/mail/${builder}`,
        `/var/spool/cron/crontabs/${builder}`,
        `/var/spool/cron/${builder}`,
      ])),
    ];
    return { problems, seen: `${(await records(files, '/etc/passwd')).length} accounts, none is ${builder}` };
  },
};

/** `*`, `!`, `!!`: no password ever matches (shadow(5)). A locked hash (`!$y$…`) is still a hash. */
const NO_PASSWORD = /^[!*]+$/;

const noPasswords: Rule = {
  name: 'no-passwords',
  title: 'no account has a password',
  severity: 'failure',
  async judge(files) {
    const shadows = withCopies(['shadow']);
    const problems = [
      ...(await collect(shadows, async (path) =>
        (
          await records(files, path)
        )
          .filter(([, password = '']) => !NO_PASSWORD.test(password))
          .map(([name, password]) => `${path}: ${name} has ${password === '' ? 'an empty password' : 'a password hash'}`),
      )),
      // In passwd itself `x` means: look in shadow.
      ...(await collect(withCopies(['passwd']), async (path) =>
        (
          await records(files, path)
        )
          .filter(([, password = '']) => password !== 'x' && !NO_PASSWORD.test(password))
          .map(([name]) => `${path}: ${name} has a password outside shadow`),
      )),
      ...(await collect(withCopies(['gshadow']), async (path) =>
        (
          await records(files, path)
        )
          .filter(([, password = '']) => password !== '' && !NO_PASSWORD.test(password))
          .map(([name]) => `${path}: group ${name} has a password hash`),
      )),
    ];
    const accounts = (await records(files, '/etc/shadow')).length;
    if (accounts === 0) return { problems: ['/etc/shadow is missing or empty, so accounts cannot be judged'], seen: '' };
    return { problems, seen: `${accounts} accounts, all locked` };
  },
};

const noSudo: Rule = {
  name: 'no-builder-sudo',
  title: 'no sudo rule of the build or of cloud-init is left',
  severity: 'failure',
  async judge(files, builder) {
    const paths = ['/etc/sudoers', ...(await entries(files, '/etc/sudoers.d'))];
    const named = new RegExp(`(^|[\\s,%+])${builder.replaceAll(/[^\w-]/g, '\\$&')}($|[\\s,=])`);
    const problems = await collect(paths, async (path) =>
      /cloud-init/.test(path)
        ? [path]
        : (await settings(files, path)).filter((line) => named.test(line)).map((line) => `${path}: ${line}`),
    );
    const others = await collect(paths, async (path) =>
      (await settings(files, path)).filter((line) => line.includes('NOPASSWD')),
    );
    return { problems, seen: others.length === 0 ? 'no NOPASSWD rule' : `NOPASSWD rules of others: ${others.join('; ')}` };
  },
};

const noUserKeys: Rule = {
  name: 'no-user-keys',
  title: 'nobody has SSH keys',
  severity: 'failure',
  async judge(files) {
    const folders = (await homes(files)).map((home) => `${home}/.ssh`);
    const kept = await collect(folders, async (folder) => entries(files, folder, /^(authorized_keys|id_)/));
    const found = [...kept, SSHD_DROP_IN];
    return { problems: await present(files, found), seen: `${folders.length} home folders` };
  },
};

const HISTORY = /^\.((\w+_)?history|lesshst|viminfo)$/;

const noHistories: Rule = {
  name: 'no-histories',
  title: 'no shell or editor history is left',
  severity: 'failure',
  async judge(files) {
    const folders = await homes(files);
    const found = await collect(folders, async (home) => entries(files, home, HISTORY));
    return { problems: await present(files, found), seen: `${folders.length} home folders` };
  },
};

/** Who can get in. */
export const accountRules: readonly Rule[] = [noBuilder, noPasswords, noSudo, noUserKeys, noHistories];
