import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CloudInitStage, reportOf, statusScript } from '../../../src/engine/cloud-init-wait.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kib-cloud-init-'));
  program('cloud-init', 'echo asked; exit 2');
  program('systemctl', 'exit 1');
});
afterEach(() => rmSync(folder, { recursive: true }));

function program(name: string, body: string): void {
  writeFileSync(join(folder, name), `#!/bin/sh\n${body}\n`);
  chmodSync(join(folder, name), 0o755);
}

interface Stage {
  readonly errors?: readonly string[];
  readonly finished: number | null;
  readonly recoverable_errors?: Readonly<Record<string, readonly string[]>>;
}

/** As cloud-init writes it: sorted keys, one space of indentation. */
function status(stages: Readonly<Record<string, Stage>>): void {
  const v1 = Object.fromEntries(
    Object.entries(stages).map(([name, { errors = [], finished, ...rest }]) => [name, { errors, finished, ...rest, start: 1.5 }]),
  );
  writeFileSync(
    join(folder, 'status.json'),
    JSON.stringify({ v1: { datasource: 'DataSourceNoCloud', ...v1, stage: null } }, null, 1),
  );
}

/** What the script says; undefined while it waits. */
function ask(stage: CloudInitStage): string | undefined {
  const script = statusScript(stage).text.replaceAll('/run/cloud-init', folder);
  try {
    return execFileSync('/bin/sh', ['-eu', '-c', script], {
      env: { PATH: `${folder}:/usr/bin:/bin` },
      encoding: 'utf8',
      timeout: 1000,
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch (error) {
    const { status: code, stdout } = error as { readonly status: number | null; readonly stdout: string };
    return code === null ? undefined : stdout.trim();
  }
}

const DONE = { finished: 29.1, recoverable_errors: {} };
const RESULT = '{\n "v1": {\n  "errors": []\n }\n}\n';

describe('statusScript', () => {
  it('is content with the network stage when asked for that', () => {
    status({ init: DONE, 'init-local': DONE, 'modules-config': { finished: null } });
    expect(ask('network')).toBe('done');
    expect(ask('final')).toBeUndefined();
  });

  it('understands releases without recoverable errors', () => {
    status({ init: { finished: 29.1 }, 'init-local': { finished: 21 } });
    expect(ask('network')).toBe('done');
  });

  it.each([
    ['is still running', { finished: null, recoverable_errors: {} }],
    ['had an error', { ...DONE, errors: ['no {disk}'] }],
    ['had a warning', { ...DONE, recoverable_errors: { WARNING: ['odd'] } }],
  ])('waits for the end when the network stage %s', (_how, init) => {
    status({ init, 'init-local': DONE });
    expect(ask('network')).toBeUndefined();
  });

  it.each(['network', 'final'] as const)('does not start Python when all went well (%s)', (stage) => {
    status({ init: DONE, 'init-local': DONE, 'modules-final': DONE });
    writeFileSync(join(folder, 'result.json'), RESULT);
    expect(ask(stage)).toBe('done');
  });

  it('asks cloud-init when there was a warning', () => {
    status({ init: { ...DONE, recoverable_errors: { WARNING: ['odd'] } }, 'init-local': DONE });
    writeFileSync(join(folder, 'result.json'), RESULT);
    expect(ask('network')).toBe('asked');
  });
});

describe('reportOf', () => {
  it('lists errors, then what was recovered from', () => {
    expect(reportOf('{"errors":["a"],"recoverable_errors":{"WARNING":["b"]}}')).toBe('a; WARNING: b');
  });

  it('shows what is no JSON as it is', () => {
    expect(reportOf(' status: error \n')).toBe('status: error');
  });
});
