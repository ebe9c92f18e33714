import { describe, expect, it } from 'vitest';
import { KibError, MiB } from '../../../src/core/index.ts';
import { createUi } from '../../../src/ui/index.ts';
import { width } from '../../../src/ui/text.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { openSpan } from '../../support/open-span.ts';
import { Screen } from '../../support/screen.ts';
import { scriptedBuild } from '../../support/scripted-build.ts';
import { stage } from '../../support/terminal-stage.ts';

describe('live lines', () => {
  it('number actions against the plan and show the last three log lines', async () => {
    const { clock, screen, root } = stage();
    root.emit({ type: 'plan', layers: ['kubernetes'], actions: 31, checks: 0 });
    const layer = openSpan(root, 'layer', 'kubernetes');
    await openSpan(layer.span, 'action', 'fetch the key').end();
    const action = openSpan(layer.span, 'action', 'install kubelet');
    for (const line of ['one', 'two', 'three', 'four']) action.span.log('guest', line);
    await clock.advance(12_000);
    expect(screen.text).toBe('  [2/31] kubernetes · install kubelet  12 s\n    two\n    three\n    four');
    await action.end();
    await clock.advance(100);
    expect(screen.text).toBe('  kubernetes  12 s');
    await layer.end();
    await clock.advance(100);
    expect(screen.text).toBe('✓ kubernetes                                  12.1 s');
  });

  it('tell bytes, rate and time left of a transfer', async () => {
    const { clock, screen, root } = stage();
    const fetch = openSpan(root, 'fetch', 'download base');
    fetch.span.progress(0, 100 * MiB, 'bytes');
    await clock.advance(2000);
    fetch.span.progress(20 * MiB, 100 * MiB, 'bytes');
    await clock.advance(100);
    expect(screen.text).toMatch(/^ {2}download base {2}20\.0 MiB of 100\.0 MiB · 9\.5 MiB\/s · 8 s left · 2 s$/);
  });

  it('say no time left when nothing moves', async () => {
    const { clock, screen, root } = stage();
    const fetch = openSpan(root, 'fetch', 'download base');
    fetch.span.progress(5 * MiB, 100 * MiB, 'bytes');
    await clock.advance(5000);
    expect(screen.text).toBe('  download base  5.0 MiB of 100.0 MiB · 0 B/s · 5 s');
  });

  it('show the note of what is being waited for', async () => {
    const { clock, screen, root } = stage();
    openSpan(root, 'boot', 'wait for the guest').span.note('cloud-init');
    await clock.advance(1000);
    expect(screen.text).toBe('  wait for the guest  cloud-init · 1 s');
  });

  it('stand side by side for parallel spans', async () => {
    const { clock, screen, root } = stage();
    const spans = ['qcow2', 'ova'].map((format) => openSpan(root, 'export', format));
    spans[1]?.span.progress(42.4, 100, 'percent');
    await clock.advance(1000);
    expect(screen.text).toBe('  export qcow2  1 s\n  export ova  42 % · 1 s');
    await spans[0]?.end();
    await clock.advance(100);
    expect(screen.text).toBe('✓ export qcow2                                 1.0 s\n  export ova  42 % · 1 s');
  });

  it('are limited to what fits on a small terminal', async () => {
    const { clock, screen, root } = stage();
    for (let n = 1; n <= 11; n++) openSpan(root, 'fetch', `download ${n}`);
    await clock.advance(100);
    expect(screen.text.split('\n')).toHaveLength(9);
    expect(screen.text).toContain('… and 3 more');
  });

  it('are cut to the width, wide characters counting twice', async () => {
    for (const columns of [20, 33, 40]) {
      const { clock, screen, root } = stage({ columns });
      const action = openSpan(root, 'action', '安装容器运行时与节点组件 🎉 and more of it');
      action.span.log('guest', '表'.repeat(60));
      await clock.advance(1000);
      const rows = screen.text.split('\n');
      expect(rows).toHaveLength(2);
      for (const row of rows) expect(width(row)).toBeLessThan(columns);
      expect(rows[0]).toMatch(/ {2}1 s$/);
    }
  });
});

describe('what stays', () => {
  it('warnings, failed actions, failed checks and leaks, in order', async () => {
    const { clock, screen, root } = stage();
    const layer = openSpan(root, 'layer', 'cni');
    layer.span.warn('KIB_X', 'the first line\nthe second', 'type this');
    await openSpan(layer.span, 'action', 'unpack').end(new KibError('KIB_ACTION_FAILED', 'exit 2'));
    await layer.end(new KibError('KIB_ACTION_FAILED', 'exit 2'));
    root.emit({ type: 'check', result: { name: 'a', title: 'it runs', ok: false, detail: 'wanted a\ngot b', ms: 1 } });
    root.emit({ type: 'check', result: { name: 'b', title: 'it is there', ok: true, detail: '', ms: 1 } });
    root.emit({ type: 'resource', action: 'leaked', kind: 'scope', id: 'folder /x' });
    await clock.advance(100);
    expect(screen.text.split('\n').map((line) => line.replace(/ +\d+ ms$/, ''))).toEqual([
      '! the first line',
      '  the second',
      '  type this',
      '✗ [1] cni · unpack',
      '✗ cni',
      '✗ it runs: wanted a got b',
      '! could not be cleaned up: folder /x',
      '  kib-native gc',
    ]);
  });

  it('why a layer is made, when it differs from a cached one', async () => {
    const { clock, screen, root } = stage();
    root.emit({ type: 'cache.miss', layer: 'packages', reason: 'nothing like it is in the cache', diff: [] });
    const diff = Array.from({ length: 12 }, (_, index) => `+ line ${index}`);
    root.emit({ type: 'cache.miss', layer: 'node', reason: 'node/3 differs', diff });
    await clock.advance(100);
    expect(screen.text.split('\n')).toEqual([
      'layer node is made anew: node/3 differs',
      ...diff.slice(0, 10).map((line) => `  ${line}`),
      '  … and 2 more lines',
    ]);
  });

  it('cached, skipped and interrupted phases say so', async () => {
    const { clock, screen, root } = stage();
    await root.run('layer', 'packages', async (span) => span.mark('cached'));
    await root.run('verify', 'boot', async (span) => span.mark('skipped'));
    await openSpan(root, 'export', 'ova').end(new KibError('KIB_CANCELLED', 'interrupted'));
    await clock.advance(100);
    expect(screen.text.split('\n').map((line) => line.replaceAll(/ +/g, ' '))).toEqual([
      '✓ packages 0 ms (cached)',
      '- boot 0 ms (skipped)',
      '✗ export ova 0 ms (cancelled)',
    ]);
  });

  it('every log line when verbose', async () => {
    const { clock, screen, root } = stage({ verbose: true });
    const action = openSpan(root, 'action', 'install');
    action.span.log('guest', 'one');
    action.span.log('guest', 'two');
    await clock.advance(100);
    expect(screen.text).toBe('  │ one\n  │ two\n  [1] install  0 s');
  });

  it('a whole build ends with its phases alone', async () => {
    const clock = new FakeClock();
    const screen = new Screen();
    const build = scriptedBuild(clock);
    const ui = createUi({ mode: 'tty', stdout: screen, stderr: screen, verbose: false, colour: true, clock });
    build.events.subscribe((event) => ui.read(event));
    await clock.run(build.play());
    ui.close();
    const marks = screen.text.split('\n').map((line) => line.slice(0, 26).trimEnd());
    expect(marks).toEqual([
      '✓ download debian-13.qcow2',
      '! /dev/kvm cannot run a gu',
      '  everything takes about e',
      '✓ start qemu',
      '✓ wait for the guest',
      '✓ packages',
      '✓ kubernetes',
      '✓ check the guest',
      '✓ seal and power off',
      '✓ export qcow2',
      '✓ export ova',
      '- check the booted image',
      '✓ clean up',
    ]);
  });
});
