import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

// A test that looks whether anything was left in the folder for temporary files would see those of the file that runs beside it, in a process of its own. The
// name is short because sockets are below it.
const own = mkdtempSync(join(tmpdir(), 'k-'));
// As open as the one it stands for: some tests go on as another user.
chmodSync(own, 0o1777);
process.env['TMPDIR'] = own;

afterAll(() => rmSync(own, { recursive: true, force: true }));
