import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Action, isKibError, sh, sha256 } from '../../../src/core/index.ts';
import type { LayerRecord } from '../../../src/engine/layers/record.ts';
import { exec, expectNothingLeft, fakePrograms, type House, newHouse, type Outcome, recipe } from '../../support/house.ts';

beforeAll(fakePrograms);

const TOKEN = 'correct-horse "battery" $taple';
const KEY = '-----BEGIN KEY-----\nc2VjcmV0bGluZQ==\n-----END KEY-----';
const env = { KIB_TEST_TOKEN: TOKEN, KIB_TEST_KEY: KEY };

function withSecrets(script: ReturnType<typeof sh>, more: Partial<Extract<Action, { kind: 'exec' }>> = {}): Action {
  const secrets = { TOKEN: { env: 'KIB_TEST_TOKEN' }, KEY: { env: 'KIB_TEST_KEY' } };
  return { kind: 'exec', title: 'use the secret', script, timeoutMs: 60_000, secrets, environment: { PLAIN: "it's" }, ...more };
}

const linesOf = ({ events }: Outcome) =>
  events.flatMap((event) => (event.type === 'log' && event.stream === 'guest' ? [event.line] : []));

/** Files below the folders of a build that hold the text, or its base64 at any of the three alignments. */
async function filesWith(home: House, text: string): Promise<readonly string[]> {
  const forms = [text, ...[0, 1, 2].map((skip) => Buffer.from(text.slice(skip)).toString('base64').slice(0, 20))];
  const dirs = [home.stateHome, home.cacheHome, home.outputDir].filter((dir) => existsSync(dir));
  const paths = (
    await Promise.all(dirs.map(async (dir) => (await readdir(dir, { recursive: true })).map((name) => join(dir, name))))
  ).flat();
  const found = await Promise.all(
    paths.map(async (path) => {
      if (!(await stat(path)).isFile()) return [];
      const bytes = await readFile(path, 'latin1');
      return forms.some((form) => bytes.includes(form)) ? [path] : [];
    }),
  );
  expect(paths.length).toBeGreaterThan(10);
  return found.flat();
}

describe('secrets of a build', () => {
  it('reach the script and nothing else', async () => {
    const noisy = sh`
      echo "$PLAIN"
      printf %s "$TOKEN" | sha256sum | cut -d' ' -f1
      echo "token $TOKEN"
      echo "$KEY"
      printf %s "\${TOKEN%???????????}"; sleep 0.03; printf '%s in two\n' "\${TOKEN#\${TOKEN%???????????}}"
      printf '%09000d%s%09000d\n' 0 "$TOKEN" 0
      grep -cF "$TOKEN" /proc/$$/cmdline || :
    `;
    const next = recipe('next', [exec('look around', sh`echo "\${TOKEN-unset} \${PLAIN-unset}"`)]);
    const home = await newHouse({ recipes: [recipe('demo', [withSecrets(noisy)]), next], env });
    const outcome = await home.run();
    expect(outcome.error).toBeUndefined();
    const lines = linesOf(outcome);
    expect(lines).toContain("it's");
    expect(lines).toContain(sha256(TOKEN));
    expect(lines).toContain('token ***');
    expect(lines).toContain('*** in two');
    expect(lines).toContain('0');
    expect(lines).toContain('unset unset');
    expect(lines.join('')).toContain('000***000');
    const told = JSON.stringify([outcome.events, outcome.result]);
    for (const secret of ['battery', 'c2VjcmV0bGluZQ']) {
      expect(told).not.toContain(secret);
      expect(await filesWith(home, secret)).toEqual([]);
    }
    await expectNothingLeft(home, outcome);
  });

  it('are in no error of an action that shows them', async () => {
    const home = await newHouse({ recipes: [recipe('demo', [withSecrets(sh`echo "using $TOKEN"; exit 3`)])], env });
    const { error, events } = await home.run();
    if (!isKibError(error)) throw new Error('wanted a KibError');
    expect(error).toMatchObject({ code: 'KIB_ACTION_FAILED', details: { lastLines: ['using ***'] } });
    expect(JSON.stringify(error) + String(error.stack) + JSON.stringify(events)).not.toContain('battery');
    expect(await filesWith(home, 'battery')).toEqual([]);
  });

  it('are hidden too where another action shows them', async () => {
    const leak = exec('leak', sh`echo 'correct-horse "battery" $taple'; exit 1`);
    const home = await newHouse({ recipes: [recipe('demo', [withSecrets(sh`true`), leak])], env });
    const outcome = await home.run();
    expect(linesOf(outcome)).toEqual(['***']);
    expect(outcome.error).toMatchObject({ details: { lastLines: ['***'] } });
  });

  it('keep the memory of a machine that knows them out of its layers', async () => {
    const before = recipe('before', [exec('say one')]);
    const home = await newHouse({
      recipes: [before, recipe('demo', [withSecrets(sh`true`)]), recipe('after', [exec('more')])],
      env,
    });
    expect((await home.run()).error).toBeUndefined();
    const layers = join(home.cacheHome, 'layers');
    const names = (await readdir(layers)).filter((name) => !name.startsWith('.'));
    const records = await Promise.all(
      names.map(async (name) => JSON.parse(await readFile(join(layers, name, 'layer.json'), 'utf8')) as LayerRecord),
    );
    expect(records.map(({ name, memory }) => `${name} ${memory === undefined ? 'disk' : 'memory'}`).sort()).toEqual([
      'after disk',
      'before memory',
      'boot memory',
      'demo disk',
    ]);
  });

  it('are asked for before anything starts, all at once', async () => {
    const home = await newHouse({ recipes: [recipe('demo', [withSecrets(sh`true`)])], env: { KIB_TEST_KEY: '' } });
    const outcome = await home.run();
    expect(outcome.error).toMatchObject({
      code: 'KIB_SECRET_MISSING',
      message: expect.stringMatching(/KIB_TEST_TOKEN is not set \(TOKEN of demo\/1\).*KIB_TEST_KEY is empty/) as string,
    });
    expect(home.steps).not.toContain('launch');
    await expectNothingLeft(home, outcome);
  });

  it('are not needed when nothing changed', async () => {
    const parts = { recipes: [recipe('demo', [withSecrets(sh`true`)])] };
    const home = await newHouse({ ...parts, env });
    expect((await home.run()).error).toBeUndefined();
    const again = await newHouse({ ...parts, base: home.base, outputDir: home.outputDir, cacheHome: home.cacheHome });
    expect((await again.run()).result).toMatchObject({ isUnchanged: true });
  });
});

describe('an action', () => {
  it('may end with the exit codes it says', async () => {
    const ends = (code: string) => withSecrets(sh`exit ${code}`, { secrets: {}, exitCodes: [2, 100] });
    const fine = await newHouse({ recipes: [recipe('demo', [ends('2'), ends('100'), ends('0')])] });
    expect((await fine.run()).error).toBeUndefined();
    const broken = await newHouse({ recipes: [recipe('demo', [ends('3')])] });
    expect((await broken.run()).error).toMatchObject({ code: 'KIB_ACTION_FAILED', details: { exitCode: 3 } });
  });
});
