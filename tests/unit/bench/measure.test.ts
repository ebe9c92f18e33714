import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type MeasureOptions, measure } from '../../../bench/measure.ts';
import { descendants } from '../../../bench/processes.ts';

describe('measuring a program', () => {
  let dir = '';
  let options: MeasureOptions;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kib-measure-'));
    options = { cwd: dir, signal: new AbortController().signal, timeoutMs: 20_000, log: join(dir, 'log') };
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  it('counts the CPU time of the program and of what it started', async () => {
    const burn = 'const end = process.cpuUsage().user + 3e5; while (process.cpuUsage().user < end);';
    const outer = `require('node:child_process').execFileSync(process.execPath, ['-e', ${JSON.stringify(burn)}])`;
    const { cpuSeconds, controller, seconds } = await measure([process.execPath, '-e', outer], options);
    expect(cpuSeconds).toBeGreaterThan(0.3);
    expect(seconds).toBeGreaterThan(0.3);
    expect(controller?.peakBytes).toBeGreaterThan(10e6);
    expect(controller?.cpuSeconds).toBeLessThan(cpuSeconds - 0.25);
  });

  it('passes lines on with their time, and keeps them', async () => {
    const lines: string[] = [];
    await measure(['sh', '-c', 'echo out; echo err >&2'], { ...options, onLine: (line) => lines.push(line) });
    expect(lines.sort()).toEqual(['err', 'out']);
    expect(await readFile(options.log, 'utf8')).toMatch(/^\d\.\d\d (out|err)\n\d\.\d\d (out|err)\n$/);
  });

  it('fails with what the program said', async () => {
    await expect(measure(['sh', '-c', 'echo sorry; exit 3'], options)).rejects.toThrow(/exited with 3.*\nsorry/);
    await expect(measure(['sh', '-c', 'exit 3'], { ...options, okCodes: [3] })).resolves.toMatchObject({ exitCode: 3 });
  });

  it('ends a program that is over its time, and what it started', async () => {
    let pid = 0;
    const running = measure(['sh', '-c', 'trap "exit 9" INT; sleep 600 & echo $!; wait'], {
      ...options,
      timeoutMs: 500,
      onLine: (line) => {
        pid = Number(line);
      },
    });
    await expect(running).rejects.toThrow('was over its 0.5 s');
    expect(pid).toBeGreaterThan(0);
    await expect.poll(() => descendants([pid]).length).toBe(0);
  });
});
