import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { Draft } from './draft.ts';
import { isWhole, type Note, type Part, text, texts } from './template.ts';

/** Steps without which an image is sealed just as well: the recipe seal takes these traces away. */
const SEALED =
  /cloud-init clean|random-seed|machine-id|\/etc\/hostname|ssh_host_|authorized_keys|bash_history|HISTFILE|history -c|(apt(-get)?|dnf|yum|tdnf) (-y )?(clean|autoremove)|\/var\/lib\/apt\/lists|\/var\/(cache|tmp)|rm .*\/tmp\/|fstrim|journalctl .*--vacuum|truncate .*\/var\/log|^(sync|true|echo\b.*|#.*|set .*)$/;
const REBOOT = /^(sudo\s+)?((systemctl\s+)?reboot(\s+(now|-f))?|shutdown\s+-r(\s+(now|-f))?)$/;

/** Turns a provisioner of Packer's own into steps. False for types it does not know. Paths of this host are relative to `root`. */
export async function takeProvisioner(draft: Draft, part: Part, root: string): Promise<boolean> {
  const why: Readonly<Record<string, string>> = {
    'shell-local': 'runs on this host: call it before or after kib-native build',
    goss: 'recipes bring checks of their own, on the build and on a fresh boot',
    sleep: 'steps wait for what they need; attempts and pauseSeconds try again',
    'hcp-sbom': 'there is no registry to send a bill of materials to',
    powershell: 'Windows images are not made here',
    'windows-shell': 'Windows images are not made here',
    'windows-restart': 'Windows images are not made here',
  };
  if (part.type === 'shell') shell(draft, part);
  else if (part.type === 'file') await file(draft, part, root);
  else if (part.type === 'breakpoint') draft.add('provision', { breakpoint: text(part.settings['note']) ?? 'breakpoint' });
  else if (Object.hasOwn(why, part.type)) draft.note(part.place, `provisioner ${part.type}`, why[part.type] ?? '');
  else return false;
  return true;
}

function shell(draft: Draft, part: Part): void {
  const { settings } = part;
  const inline = texts(settings['inline']).map(withoutSudo);
  const scripts = [...texts(settings['script']), ...texts(settings['scripts'])];
  const commands = inline.map((line) => line.trim()).filter((line) => line !== '');
  if (commands.length > 0 && commands.every((line) => REBOOT.test(line))) {
    draft.add('provision', { reboot: true });
    return;
  }
  if (commands.length > 0 && commands.every((line) => SEALED.test(line))) {
    draft.note(part.placeOf('inline'), commands.join('; '), 'the recipe seal does this, and it runs last');
  } else if (commands.length > 0) {
    draft.add('provision', { shell: `${inline.join('\n')}\n`, ...common(draft, part) });
  }
  for (const script of scripts) {
    if (isWhole(script)) draft.add('provision', { script, ...common(draft, part) });
    else draft.note(part.placeOf('script'), script, 'only Packer knows its name');
  }
}

function common(draft: Draft, part: Part): Readonly<Record<string, unknown>> {
  const { settings } = part;
  const environment = environmentOf(part, draft);
  const retries = Number(text(settings['max_retries']) ?? 0);
  const timeout = seconds(text(settings['timeout']));
  const codes = Array.isArray(settings['valid_exit_codes'])
    ? settings['valid_exit_codes'].map(Number).filter((code) => code > 0)
    : [];
  noteShell(draft, part);
  return {
    ...(timeout === undefined ? {} : { timeoutSeconds: timeout }),
    ...(retries > 0 ? { attempts: Math.min(10, retries + 1) } : {}),
    ...(settings['expect_disconnect'] === true ? { expectDisconnect: true } : {}),
    ...(codes.length === 0 ? {} : { exitCodes: codes }),
    ...(Object.keys(environment).length === 0 ? {} : { environment }),
  };
}

/** What a script may count on that is different here. */
function noteShell(draft: Draft, part: Part): void {
  const { settings } = part;
  const shebang = text(settings['inline_shebang']);
  if (shebang !== undefined && !/\/sh\b/.test(shebang))
    draft.note(
      part.placeOf('inline_shebang'),
      shebang,
      'shell steps run by sh; put bash-only code into a script with its own first line',
    );
  const execute = text(settings['execute_command']);
  if (execute !== undefined && !/sudo/.test(execute))
    draft.note(part.placeOf('execute_command'), execute, 'steps run as root; user: names another account');
  for (const setting of ['pause_before', 'start_retry_timeout', 'only', 'except', 'override']) {
    if (settings[setting] !== undefined)
      draft.note(part.placeOf(setting), setting, 'a step has when, onlyIf, unless, attempts and pauseSeconds');
  }
}

function environmentOf(part: Part, draft: Draft): Readonly<Record<string, string>> {
  const { environment_vars: list, env } = part.settings;
  const pairs: readonly (readonly [string, string])[] = [
    ...texts(list).map((pair): readonly [string, string] => [pair.split('=')[0] ?? '', pair.slice(pair.indexOf('=') + 1)]),
    ...Object.entries(typeof env === 'object' && env !== null ? env : {}).map(([name, value]): readonly [string, string] => [
      name,
      String(value),
    ]),
  ];
  return Object.fromEntries(
    pairs.filter(([name, value]) => {
      if (isWhole(value)) return true;
      draft.note(
        part.placeOf('environment_vars'),
        name,
        'only Packer knows its value; secrets: { env: … } takes one from this host',
      );
      return false;
    }),
  );
}

async function file(draft: Draft, part: Part, root: string): Promise<void> {
  const { settings } = part;
  const to = text(settings['destination']);
  const content = text(settings['content']);
  const sources = [...texts(settings['source']), ...texts(settings['sources'])];
  if (to === undefined || text(settings['direction']) === 'download') {
    draft.note(part.place, 'file', 'files are not fetched from the guest');
    return;
  }
  if (!isWhole(to) || !to.startsWith('/')) {
    draft.note(part.placeOf('destination'), to, 'destinations are absolute paths');
    return;
  }
  if (content !== undefined)
    draft.add('provision', { shell: `cat >${to} <<'END_OF_FILE'\n${content.replace(/\n?$/, '\n')}END_OF_FILE\n` });
  for (const source of sources) {
    if (!isWhole(source)) draft.note(part.placeOf('source'), source, 'only Packer knows its name');
    else if (source.endsWith('/')) draft.add('provision', { dir: source.replace(/\/$/, ''), to: to.replace(/\/$/, '') });
    // Without a slash at the end, what goes over is the folder rather than what is in it.
    else if (await isFolder(resolve(root, source)))
      draft.add('provision', { dir: source, to: `${to.replace(/\/$/, '')}/${basename(source)}` });
    else draft.add('provision', { file: source, to: to.endsWith('/') ? `${to}${source.split('/').at(-1)}` : to });
  }
}

async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() === true;
}

export function takePostProcessor({ type, place }: Part): Note | undefined {
  const done = ['manifest', 'checksum', 'artifice'];
  if (done.includes(type)) return undefined;
  const why: Readonly<Record<string, string>> = {
    compress: 'qcow2 files are compressed by export.qcow2.compression; compress others after the build',
    'shell-local': 'runs on this host: call it after kib-native build',
    'vsphere-template': 'formats: [template] with the vsphere driver makes one',
    'amazon-import': 'the ec2 driver makes AMIs without a bucket',
  };
  return { place, what: `post-processor ${type}`, why: why[type] ?? 'has no counterpart' };
}

function withoutSudo(line: string): string {
  return line.replace(/^(\s*)sudo\s+(?:-[a-zA-Z]+\s+)*/, '$1');
}

/** `10m`, `1h30m`. */
function seconds(duration: string | undefined): number | undefined {
  const match = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(duration ?? '');
  if (match === null || duration === undefined || duration === '') return undefined;
  const [, hours = '0', minutes = '0', rest = '0'] = match;
  return Number(hours) * 3600 + Number(minutes) * 60 + Number(rest);
}
