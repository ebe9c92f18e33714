import { describe, expect, it } from 'vitest';
import { type Recorded, renderReport } from '../../../bench/report.ts';

const common = { title: 'A title', date: '2026-01-02', machine: { CPU: 'abacus' }, minutes: 3 };
const good: Recorded = {
  ...common,
  outcome: {
    samples: [
      {
        subject: 'ours',
        seconds: 10,
        cpuSeconds: 4,
        phases: [{ name: 'boot', seconds: 6 }],
        controller: { cpuSeconds: 1, peakBytes: 90e6 },
      },
      { subject: 'ours', seconds: 12, cpuSeconds: 6, phases: [{ name: 'boot', seconds: 8 }] },
      { subject: 'theirs', seconds: 30 },
    ],
    verdicts: [
      { what: 'theirs / ours', unit: '×', bound: 'at least', goal: 2, got: { median: 2.75, low: 2.5, high: 3 } },
      { what: 'memory', unit: 'MB', bound: 'at most', goal: 50, got: { median: 90, low: 90, high: 90 } },
    ],
    proofs: ['both are the same'],
  },
};
const bad: Recorded = { ...common, failure: 'it broke\nin line 2' };

describe('RESULTS.md', () => {
  const text = renderReport(
    new Map([
      ['cold', good],
      ['warm', bad],
    ]),
  );
  const lines = text.split('\n');

  it('has a row for each goal, met or missed, with its spread', () => {
    expect(lines).toContain('| cold | theirs / ours | ≥ 2 × | 2.75 × | met | 2.50 × – 3.00 × |');
    expect(lines).toContain('|  | memory | ≤ 50 MB | 90 MB | **missed** | 90 MB – 90 MB |');
  });

  it('has a row for a scenario that failed, and its whole reason below', () => {
    expect(lines).toContain('| warm | it broke |  |  | **failed** |  |');
    expect(text).toContain('```text\nit broke\nin line 2\n```');
  });

  it('says what each side took and where the time went', () => {
    expect(lines).toContain('| ours | 2 | 11.0 (10.0 – 12.0) | 5.0 | 90 MB |');
    expect(lines).toContain('| theirs | 1 | 30.0 |  |  |');
    expect(lines).toContain('| boot | 7.0 (6.0 – 8.0) |');
    expect(lines).toContain('- Proof: both are the same.');
  });

  it('describes a machine once', () => {
    expect(lines.filter((line) => line.includes('abacus'))).toEqual(['| CPU | abacus |']);
  });
});
