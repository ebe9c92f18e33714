import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

// A test that looks whether anything was left in the folder for temporary files would see those of the file that runs beside it. Short: sockets are below it.
const shared = process.env['TMPDIR'];
const own = mkdtempSync(join(tmpdir(), 'k-'));
// As open as the one it stands for: some tests go on as another user.
chmodSync(own, 0o1777);
process.env['TMPDIR'] = own;

afterAll(() => {
  if (shared === undefined) delete process.env['TMPDIR'];
  else process.env['TMPDIR'] = shared;
  rmSync(own, { recursive: true, force: true });
});
