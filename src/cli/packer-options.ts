/** Commands whose options Packer has too. */
const COMMANDS = ['build', 'plan', 'validate', 'inspect'];

/** Packer's long options, which it spells with one dash, and ours. */
const OPTIONS: Readonly<Record<string, string>> = {
  var: '--var',
  'var-file': '--var-file',
  only: '--only',
  except: '--except',
  'on-error': '--on-error',
  force: '--force',
  debug: '--debug',
  'machine-readable': '--json',
  'parallel-builds': '--parallel',
};

const VALUES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  // What a failed build leaves behind, and whom it asks.
  'on-error': { ask: 'shell', abort: 'keep' },
  'parallel-builds': { '0': 'auto' },
};

/** Rewrites Packer's spelling of options, `-only=a -on-error ask`, into ours. Everything else stays, also what follows `--`. */
export function packerOptions(argv: readonly string[]): readonly string[] {
  const [command = '', ...rest] = argv;
  if (!COMMANDS.includes(command)) return argv;
  const end = rest.includes('--') ? rest.indexOf('--') : rest.length;
  const words: string[] = [command];
  for (let index = 0; index < end; index++) {
    const word = rest[index] ?? '';
    const match = /^-([a-z][a-z-]+)(?:=(.*))?$/s.exec(word);
    const ours = match?.[1] !== undefined && Object.hasOwn(OPTIONS, match[1]) ? OPTIONS[match[1]] : undefined;
    if (match?.[1] === undefined || ours === undefined) {
      words.push(word);
      continue;
    }
    const table = VALUES[match[1]];
    const value = match[2] ?? (table === undefined ? undefined : rest[++index]);
    if (value === undefined) words.push(ours);
    else if (match[1] === 'force' || match[1] === 'debug' || match[1] === 'machine-readable')
      words.push(...(value === 'false' ? [] : [ours]));
    else words.push(`${ours}=${table?.[value] ?? value}`);
  }
  return [...words, ...rest.slice(end)];
}
