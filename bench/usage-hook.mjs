// Loaded into the program that is measured: writes what its own process cost when it ends, children not counted.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

const path = process.env.KIB_BENCH_USAGE;
// Node programs that the measured one starts inherit the hook; the first to come is the one that is meant.
if (path !== undefined && !existsSync(path)) {
  writeFileSync(path, '');
  process.on('exit', () => {
    const { userCPUTime, systemCPUTime } = process.resourceUsage();
    // Not maxRSS, which after an exec still has the peak of the process that forked (exec_mmap in fs/exec.c).
    const peak = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    writeFileSync(path, JSON.stringify({ cpuSeconds: (userCPUTime + systemCPUTime) / 1e6, peakBytes: Number(peak) * 1024 }));
  });
}
