// Loaded into the program that is measured: writes what its own process cost when it ends, children not counted.
import { existsSync, writeFileSync } from 'node:fs';

const path = process.env.KIB_BENCH_USAGE;
// Node programs that the measured one starts inherit the hook; the first to come is the one that is meant.
if (path !== undefined && !existsSync(path)) {
  writeFileSync(path, '');
  process.on('exit', () => {
    const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
    writeFileSync(path, JSON.stringify({ cpuSeconds: (userCPUTime + systemCPUTime) / 1e6, peakBytes: maxRSS * 1024 }));
  });
}
