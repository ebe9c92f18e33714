import { tmpdir } from 'node:os';
import { type Arch, type Context, KibError } from '../../core/index.ts';
import { CommandError, run } from '../../io/process.ts';
import { withScratchDir } from './scratch.ts';

export interface MmdebstrapRequest {
  readonly suite: string;
  readonly arch: Arch;
  readonly packages: readonly string[];
  /** File with the apt sources; its name is kept in the image. */
  readonly sources: string;
  /** tar archive to write. */
  readonly target: string;
  readonly epoch: number;
}

/** Folder in the archive with what is meant for us, not for the image. */
export const ASSEMBLY = '/.assembly';
/** Files written for the time of the assembly only. */
export const ASSEMBLY_FILES = ['/etc/dpkg/dpkg.cfg.d/assembly'];

/** GRUB modules that a BIOS needs before it reads /boot/grub, and those of a plain menu, so that they need not be looked up. */
const BIOS_MODULES =
  'biosdisk part_gpt ext2 normal configfile search search_fs_uuid serial terminal echo test linux gzio minicmd';

const HOOKS = {
  // Nobody needs these files after a power cut, so dpkg need not wait for the disk after each.
  setup: 'mkdir -p "$1/etc/dpkg/dpkg.cfg.d" && echo force-unsafe-io >"$1/etc/dpkg/dpkg.cfg.d/assembly"',
  // What apt verified and used, to compare it with what the key was made of.
  release: `mkdir "$1${ASSEMBLY}" && cp "$1"/var/lib/apt/lists/*Release "$1${ASSEMBLY}/"`,
  // By the image's own GRUB: its modules and its loader belong together. The prefix is what grub-install uses: partition 1 of the boot disk.
  network: 'systemctl enable systemd-networkd.service',
  grub: `grub-mkimage -O i386-pc -p '(,gpt1)/boot/grub' -o ${ASSEMBLY}/core.img ${BIOS_MODULES}`,
} as const;

export type MmdebstrapMode = 'auto' | 'root' | 'unshare';

export function mmdebstrapArgs(request: MmdebstrapRequest, mode: MmdebstrapMode): string[] {
  return [
    '--verbose',
    `--mode=${mode}`,
    '--variant=apt',
    '--format=tar',
    `--architectures=${request.arch}`,
    `--include=${request.packages.join(',')}`,
    // The kernel fills /dev; device files in an image only make it need privileges.
    '--skip=output/dev',
    `--setup-hook=${HOOKS.setup}`,
    `--customize-hook=${HOOKS.release}`,
    `--chrooted-customize-hook=${HOOKS.network}`,
    ...(request.arch === 'amd64' ? [`--chrooted-customize-hook=${HOOKS.grub}`] : []),
    request.suite,
    request.target,
    request.sources,
  ];
}

/**
 * Assembles a Debian system from packages into a tar archive. As root it runs in namespaces of its own, so that nothing it mounts or starts
 * outlives it; without root mmdebstrap picks user namespaces or fakechroot. Throws KIB_BOOTSTRAP with its last lines.
 */
export async function mmdebstrap(request: MmdebstrapRequest, context: Context): Promise<void> {
  const mode = process.getuid?.() === 0 ? await rootMode(context.signal) : 'auto';
  // In user namespaces the tree belongs to other ids of this host, which cannot enter a cache folder below a closed home.
  const parent = mode === 'auto' ? tmpdir() : context.dirs.work;
  await withScratchDir(parent, 0o711, context, (scratch) => runGuarded(request, mode, scratch, context));
}

async function runGuarded(request: MmdebstrapRequest, mode: MmdebstrapMode, scratch: string, context: Context): Promise<void> {
  const { span, signal } = context;
  const tail: string[] = [];
  try {
    await run('setpriv', [...GUARD, 'mmdebstrap', ...mmdebstrapArgs(request, mode)], {
      env: { SOURCE_DATE_EPOCH: String(request.epoch), TMPDIR: scratch, TZ: 'UTC' },
      onLine: (line) => {
        // Bare numbers are a progress bar.
        if (/^\d*$/.test(line)) return;
        span.log('host', line);
        const note = noteOf(line);
        if (note !== undefined) span.note(note);
        tail.push(line);
        if (tail.length > TAIL_LINES) tail.shift();
      },
      signal,
    });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new KibError('KIB_BOOTSTRAP', `mmdebstrap could not assemble ${request.suite}:\n${tail.join('\n')}`, {
      hint: hintFor(tail.join('\n')),
      cause: error,
      details: { exitCode: error.exitCode, lines: tail },
    });
  }
}

const TAIL_LINES = 15;

/**
 * mmdebstrap ends its children at a signal to its process group, as Ctrl-C sends it, not at one to itself. timeout(1) makes a group and passes
 * signals on to all of it; setpriv(1) makes it get one when this process dies, however that happens.
 */
const GUARD = ['--pdeathsig', 'TERM', 'timeout', '--kill-after=20', '3600'];

/** Namespaces need CAP_SYS_ADMIN, which root of a container may lack; then nothing is mounted either. */
async function rootMode(signal: AbortSignal): Promise<MmdebstrapMode> {
  try {
    await run('unshare', ['--mount', '--pid', '--uts', '--ipc', '--fork', '--propagation', 'unchanged', 'true'], { signal });
    return 'unshare';
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return 'root';
  }
}

/** A line of progress for people, from mmdebstrap, apt and dpkg. */
export function noteOf(line: string): string | undefined {
  const download = /^Get:\d+ \S+ \S+ \S+ (\S+) \S+ \S+ \[/.exec(line);
  if (download !== null) return `downloading ${download[1]}`;
  const step = /^(Unpacking|Setting up) (\S+)/.exec(line);
  if (step?.[1] === 'Unpacking') return `unpacking ${step[2]}`;
  if (step !== null) return `configuring ${step[2]}`;
  if (line.startsWith('update-initramfs:')) return 'making the initramfs';
  return line.startsWith('I: creating tarball') ? 'packing' : undefined;
}

function hintFor(output: string): string {
  if (/NO_PUBKEY|not signed|signature/i.test(output)) {
    return 'this host does not know the archive’s signing key: install a newer debian-archive-keyring';
  }
  const missing = /Unable to locate package (\S+)|Package '?([\w.+-]+)'? has no installation candidate/.exec(output);
  if (missing !== null) return `the archive has no package ${missing[1] ?? missing[2]}: see base.bootstrap.packages`;
  if (/unable to pick chroot mode/.test(output)) {
    return 'run as root, or install uidmap and give your user subordinate ids (usermod --add-subuids, subuid(5))';
  }
  if (/No space left/.test(output)) return 'free some space, or choose another cache folder with XDG_CACHE_HOME';
  return 'all it said is in the log of this build';
}
