import pc from 'picocolors';
import type { Registry } from '../config/schema.ts';
import { type ConfigIssue, maskUrls } from '../core/index.ts';
import { type CliIo, wantsColour } from './io.ts';

/** What every command is handed. Nothing it writes shows the login or query of a URL. */
export interface Cli {
  readonly io: CliIo;
  /** Writes a result. */
  print(text: string): void;
  /** Writes a result as JSON. */
  printJson(value: unknown): void;
  /** Says something to people. */
  say(text: string): void;
  warn(issues: readonly ConfigIssue[]): void;
  /** Colours for results. */
  readonly colours: ReturnType<typeof pc.createColors>;
  registry(): Promise<Registry>;
  /** What the process will end with; 0 unless a command sets it. */
  exitCode: number;
}

export function createCli(io: CliIo, loadRegistry: () => Promise<Registry>): Cli {
  const errColours = pc.createColors(wantsColour(io.env, io.stderr));
  let registry: Promise<Registry> | undefined;
  return {
    io,
    print: (text) => void io.stdout.write(`${maskUrls(text).replace(/\n$/, '')}\n`),
    printJson: (value) => void io.stdout.write(`${maskUrls(JSON.stringify(value, undefined, 2))}\n`),
    say: (text) => void io.stderr.write(`${maskUrls(text).replace(/\n$/, '')}\n`),
    warn: (issues) => {
      for (const line of warningLines(issues)) io.stderr.write(`${errColours.yellow('warning')} ${maskUrls(line)}\n`);
    },
    colours: pc.createColors(wantsColour(io.env, io.stdout)),
    registry: () => {
      registry ??= loadRegistry();
      return registry;
    },
    exitCode: 0,
  };
}

/** One line per file and message: Packer's files hold dozens of names that mean nothing here. */
function warningLines(issues: readonly ConfigIssue[]): readonly string[] {
  const groups = new Map<string, { readonly file: string; readonly message: string; readonly paths: string[] }>();
  for (const { source = '', path, message } of issues) {
    const file = source.replace(/:\d+:\d+$/, '');
    const key = `${file}\n${message}`;
    const group = groups.get(key) ?? { file, message, paths: [] };
    groups.set(key, { ...group, paths: [...group.paths, path] });
  }
  return [...groups.values()].map(({ file, message, paths }) =>
    [file, paths.filter((path) => path !== '').join(', '), message].filter((part) => part !== '').join(': '),
  );
}
