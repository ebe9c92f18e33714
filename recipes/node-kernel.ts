import { type Action, type Check, type OsFamily, sh } from '../src/core/index.ts';

const TIMEOUT_MS = 300_000;
const PHOTON_CONFIG = '/boot/photon.cfg';

/** Adds boot parameters to every kernel there is and to those that come; they count from the next boot on. */
export function bootParameters(family: OsFamily, parameters: readonly string[]): readonly Action[] {
  if (parameters.length === 0) return [];
  const title = `boot with ${parameters.join(' ')}`;
  switch (family) {
    case 'debian':
      return [
        // Read after /etc/default/grub and the files of cloud images (grub-mkconfig of Debian).
        {
          kind: 'file',
          path: '/etc/default/grub.d/90-kib.cfg',
          text: `GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX ${parameters.join(' ')}"\n`,
        },
        { kind: 'exec', title, script: sh`update-grub`, timeoutMs: TIMEOUT_MS },
      ];
    case 'rhel':
      return [
        {
          kind: 'exec',
          title,
          // grubby(8) changes the entries of today. Later kernels take theirs from /etc/kernel/cmdline (kernel-install(8)) or, where grub2-mkconfig
          // writes the menu, from /etc/default/grub; newer grubbies care for these too, hence the looks.
          script: sh`
            grubby --update-kernel=ALL --args=${parameters.join(' ')}
            for parameter in ${parameters}; do
              if [ -f /etc/default/grub ] && ! grep '^GRUB_CMDLINE_LINUX=' /etc/default/grub | grep -qwF -- "$parameter"; then
                sed -i "/^GRUB_CMDLINE_LINUX=/s|\"\$| $parameter\"|" /etc/default/grub
              fi
              if [ -f /etc/kernel/cmdline ] && ! grep -qwF -- "$parameter" /etc/kernel/cmdline; then
                sed -i "1s|\$| $parameter|" /etc/kernel/cmdline
              fi
            done
          `,
          timeoutMs: TIMEOUT_MS,
        },
      ];
    case 'photon':
      return [
        {
          kind: 'exec',
          title,
          script: sh`
            grep -q '^photon_cmdline=' ${PHOTON_CONFIG}
            sed -i ${`/^photon_cmdline=/s|$| ${parameters.join(' ')}|`} ${PHOTON_CONFIG}
          `,
          timeoutMs: TIMEOUT_MS,
        },
      ];
  }
}

/** Prints the parameters that the kernel did not get. */
export function bootParametersCheck(parameters: readonly string[]): Check {
  return {
    name: 'node/kernel-arguments',
    title: `the kernel was booted with ${parameters.join(' ')}`,
    script: sh`
      for parameter in ${parameters}; do
        tr ' ' '\n' </proc/cmdline | grep -qxF -- "$parameter" || echo "$parameter"
      done
    `,
    expect: { kind: 'equals', text: '' },
    when: ['boot'],
  };
}

export function hugepagesCheck(mode: string): Check {
  return {
    name: 'node/transparent-hugepages',
    title: `transparent huge pages are ${mode}`,
    script: sh`cat /sys/kernel/mm/transparent_hugepage/enabled`,
    expect: { kind: 'matches', pattern: `\\[${mode}\\]` },
    when: ['boot'],
  };
}

export const pressureCheck: Check = {
  name: 'node/pressure',
  title: 'the kernel measures pressure stalls',
  script: sh`cat /proc/pressure/cpu`,
  expect: { kind: 'matches', pattern: '^some avg10=' },
  when: ['boot'],
};
