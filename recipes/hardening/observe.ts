import { lines, type Sh, sh } from '../../src/core/index.ts';
import type { FileMode } from './control.ts';

/** Prints each kernel setting that is not what it should be. */
export function sysctlsAre(values: Readonly<Record<string, string>>): Sh {
  return lines(
    Object.entries(values).map(([key, value]) => {
      const path = `/proc/sys/${key.replaceAll('.', '/')}`;
      // A kernel without IPv6 has nothing to harden there.
      return sh`[ ! -e ${path} ] || [ "$(cat ${path})" = ${value} ] || echo ${`${key} is not ${value}`}`;
    }),
  );
}

/** Says which of the modules could be loaded, or is. */
export function modulesAreBlocked(modules: readonly string[]): Sh {
  return sh`
    for module in ${modules}; do
      modprobe --dry-run --verbose "$module" 2>&1 | grep -q '^install /bin/false' || echo "$module can be loaded"
      if grep -q "^$(printf %s "$module" | tr - _) " /proc/modules; then echo "$module is loaded"; fi
    done
  `;
}

/** What the SSH server makes of all its files; `sshd -T` prints names in lower case. */
export function sshdSays(name: string, pattern: string): Sh {
  return sh`
    mkdir -p /run/sshd
    got=$("$(command -v sshd || echo /usr/sbin/sshd)" -T | sed -n ${`s/^${name.toLowerCase()} //p`})
    printf '%s\n' "$got" | grep -Eixq -- ${pattern} || echo ${`${name} is`} "$got"
  `;
}

/** Prints what a setting of systemd's is: the last of all files decides. systemd before 236 cannot list them itself. */
export function systemdSetting(file: string, name: string): Sh {
  const main = `/etc/systemd/${file}`;
  return sh`{ systemd-analyze cat-config ${`systemd/${file}`} 2>/dev/null || cat ${main} ${main}.d/*.conf 2>/dev/null; } | sed -n ${`s/^${name}=//p`} | tail -n 1`;
}

/** Files that exist have no bit beyond their mode, and one of their owners. */
export function modesAre(modes: readonly FileMode[]): Sh {
  return lines([
    sh`
      judge() {
        [ -e "$1" ] || return 0
        got=$(stat -L -c '%a %U:%G' "$1")
        [ "$((0\${got% *} & ~0$2 & 07777))" -eq 0 ] || echo "$1 has mode \${got% *}"
        case " $3 " in *" \${got#* } "*) ;; *) echo "$1 belongs to \${got#* }" ;; esac
      }
    `,
    ...modes.map(({ path, mode, owners }) => sh`judge ${path} ${mode.replace(/^0/, '')} ${owners.join(' ')}`),
  ]);
}

/** Takes away what modesAre would complain about. */
export function setModes(modes: readonly FileMode[]): Sh {
  return lines([
    sh`
      narrow() {
        [ -e "$1" ] || return 0
        got=$(stat -L -c '%a %U:%G' "$1")
        case " $3 " in *" \${got#* } "*) ;; *) chown "\${3%% *}" "$1" ;; esac
        chmod "$(printf %o "$((0\${got% *} & 0$2))")" "$1"
      }
    `,
    ...modes.map(({ path, mode, owners }) => sh`narrow ${path} ${mode.replace(/^0/, '')} ${owners.join(' ')}`),
  ]);
}

/** Root's own files that may be seen by nobody else. */
export function rootOnly(mode: string, ...paths: readonly string[]): readonly FileMode[] {
  return paths.map((path) => ({ path, mode, owners: ['root:root'] }));
}
