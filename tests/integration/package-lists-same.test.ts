import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PackageGraph } from '../../src/engine/package-cache/lists/package-graph.ts';
import { StanzaSplitter } from '../../src/engine/package-cache/lists/stanzas.ts';

const ROUNDS = 20;
const REAL_ROUNDS = 3;
const PACKAGES = 60;
const HOST_LISTS = '/var/lib/apt/lists';

/** Lists of this host, which are Debian's own; whether there are any depends on the machine. */
const hostLists = existsSync(HOST_LISTS) ? readdirSync(HOST_LISTS).filter((name) => /_Packages(\.\w+)?$/.test(name)) : [];

describe.skipIf(!existsSync('/usr/bin/apt-get'))('apt with an excerpt of its lists', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'kib-lists-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  /** What apt would do, and how it ends. */
  function simulate(lists: readonly string[], status: string, ...command: string[]): string {
    const dir = mkdtempSync(join(root, 'apt-'));
    for (const folder of ['etc/apt.conf.d', 'etc/preferences.d', 'state/lists/partial', 'cache/archives/partial', 'repo'])
      mkdirSync(join(dir, folder), { recursive: true });
    writeFileSync(join(dir, 'status'), status);
    // Flat repositories, which apt reads where they lie; all at one place for both, since the place is part of what apt says.
    const entries = lists.map((text, index) => {
      mkdirSync(join(dir, `repo/${index}`));
      writeFileSync(join(dir, `repo/${index}/Packages`), text);
      return `deb [trusted=yes] copy:${dir}/repo/${index} ./\n`;
    });
    writeFileSync(join(dir, 'etc/sources.list'), entries.join(''));
    const settings = { Etc: 'etc', State: 'state', 'State::Status': 'status', Cache: 'cache', Log: 'log' };
    const dirs = Object.entries(settings).map(([name, path]) => `Dir::${name}=${join(dir, path)}`);
    const others = ['APT::Architecture=amd64', 'APT::Sandbox::User=root', 'Acquire::Languages=none'];
    const options = ['-q', ...[...dirs, ...others].flatMap((option) => ['-o', option])];
    execFileSync('apt-get', [...options, 'update'], { stdio: 'pipe' });
    const ran = spawnSync('apt-get', [...options, '-y', '-s', '--no-install-recommends', ...command], { encoding: 'utf8' });
    return `${ran.status}\n${ran.stdout}\n${ran.stderr}`.split(/\n/).filter(isDecision).join('\n');
  }

  function excerpts(lists: readonly string[], names: readonly string[]): readonly string[] {
    const graph = new PackageGraph();
    for (const list of lists) eachStanza(list, (stanza) => graph.add(stanza));
    const selected = graph.select(names);
    let index = 0;
    return lists.map((list) => {
      const kept: string[] = [];
      eachStanza(list, (stanza) => {
        if (selected[index++] === 1) kept.push(`${stanza.toString('latin1')}\n`);
      });
      return kept.join('');
    });
  }

  it('comes to the same result as with whole lists, whatever the packages ask of each other', () => {
    let changes = 0;
    let removals = 0;
    let failures = 0;
    let rereads = 0;
    for (let seed = 1; seed <= ROUNDS; seed++) {
      const random = randomNumbers(seed);
      const names = Array.from({ length: PACKAGES }, (_, index) => `p${index}`);
      const lists = [1, 2].map((version) => universe(names, version, random));
      const base = installed(lists, simulate(lists, '', 'install', ...pick(names, 6, random)));
      for (const command of [['install', ...pick(names, 3, random)], ['install', 'virtual-1'], ['dist-upgrade']]) {
        const wanted = [...command.slice(1), ...base.names];
        const whole = simulate(lists, base.status, ...command);
        const part = simulate(excerpts(lists, wanted), base.status, ...command);
        // Whole lists are read then (see the plan of apt).
        if (isFailure(part) && !isFailure(whole)) rereads++;
        else expect(part, `seed ${seed}: ${command.join(' ')}`).toBe(whole);
        changes += whole.split('\nInst ').length - 1;
        removals += whole.split('\nRemv ').length - 1;
        failures += isFailure(whole) ? 1 : 0;
      }
    }
    // Else the comparison would say little.
    const counts = JSON.stringify({ changes, removals, failures, rereads });
    expect([changes, removals, failures].every((count) => count > 5) && rereads < ROUNDS / 5, counts).toBe(true);
  }, 240_000);

  it.skipIf(hostLists.length === 0)(
    'comes to the same result with a distribution’s own lists',
    () => {
      const read = (name: string) =>
        execFileSync('/usr/lib/apt/apt-helper', ['cat-file', join(HOST_LISTS, name)], { maxBuffer: 1e9 });
      const lists = hostLists.map((name) => read(name).toString('latin1'));
      const status = readFileSync('/var/lib/dpkg/status', 'latin1');
      const names = [...lists.join('\n').matchAll(/^Package: (\S+)$/gm)].map((match) => match[1] ?? '');
      const present = [...status.matchAll(/^Package: (\S+)$/gm)].map((match) => match[1] ?? '');
      const random = randomNumbers(7);
      for (let round = 0; round < REAL_ROUNDS; round++) {
        const wanted = pick(names, 4, random);
        const parts = excerpts(lists, [...wanted, ...present]);
        expect(parts.join('').length).toBeLessThan(lists.join('').length / 4);
        expect(simulate(parts, status, 'install', ...wanted), wanted.join(' ')).toBe(
          simulate(lists, status, 'install', ...wanted),
        );
      }
    },
    240_000,
  );
});

function eachStanza(list: string, take: (stanza: Buffer) => void): void {
  const splitter = new StanzaSplitter(take);
  const bytes = Buffer.from(list, 'latin1');
  for (let start = 0; start < bytes.length; start += 65_536) splitter.push(bytes.subarray(start, start + 65_536));
  splitter.end();
}

/** What apt decided: its exit code and steps. Where a package would come from has the name of a folder of the test. */
function isDecision(line: string, index: number): boolean {
  return index === 0 || /^(Inst|Remv|Conf) /.test(line);
}

function isFailure(decisions: string): boolean {
  return !decisions.startsWith('0');
}

type Random = () => number;

/** Lehmer's generator with the factor of Park and Miller (1988): from 0 up to 1. */
function randomNumbers(seed: number): Random {
  let state = seed * 7919;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

function pick(names: readonly string[], count: number, random: Random): readonly string[] {
  return Array.from({ length: count }, () => names[Math.floor(random() * names.length)] ?? '');
}

/** Packages that need, offer, break and replace each other at random; in the first version of the world and in a later one that has some anew. */
function universe(names: readonly string[], version: number, random: Random): string {
  const chosen = names.filter(() => version === 1 || random() < 0.4);
  const relation = (): string => {
    const [name = ''] = random() < 0.15 ? [`virtual-${Math.floor(random() * 4)}`] : pick(names, 1, random);
    const bound = [' (>= 1)', ' (>= 2)', ' (= 1)', ' (<< 2)'][Math.floor(random() * 4)] ?? '';
    return random() < 0.12 && !name.startsWith('virtual') ? `${name}${bound}` : name;
  };
  const field = (name: string, chance: number, make: () => string): string => {
    const values = Array.from({ length: 3 }, make).filter(() => random() < chance);
    return values.length === 0 ? '' : `${name}: ${values.join(', ')}\n`;
  };
  return chosen
    .map((name) =>
      [
        `Package: ${name}\nVersion: ${version}\nArchitecture: amd64\nMaintainer: T <t@example.org>\n`,
        field('Depends', 0.22, () => (random() < 0.3 ? `${relation()} | ${relation()}` : relation())),
        field('Pre-Depends', 0.04, relation),
        field('Recommends', 0.2, relation),
        field('Provides', 0.1, () => `virtual-${Math.floor(random() * 4)}`),
        field('Breaks', 0.08, relation),
        field('Conflicts', 0.04, relation),
        random() < 0.02 ? 'Essential: yes\n' : '',
        `Filename: ./${name}.deb\nSize: 1\nSHA256: ${'0'.repeat(64)}\nDescription: test\n`,
      ].join(''),
    )
    .join('\n');
}

/** The status file of a machine on which this was done. */
function installed(lists: readonly string[], done: string): { readonly status: string; readonly names: readonly string[] } {
  const stanzas = lists.join('\n').split('\n\n');
  const found = [...done.matchAll(/^Inst (\S+) \((\S+)/gm)].map(([, name = '', version = '']) => ({ name, version }));
  const status = found.map(({ name, version }) => {
    const stanza = stanzas.find((text) => text.trimStart().startsWith(`Package: ${name}\nVersion: ${version}\n`)) ?? '';
    return stanza.trim().replace('\n', '\nStatus: install ok installed\n');
  });
  return { status: status.map((text) => `${text}\n\n`).join(''), names: found.map(({ name }) => name) };
}
