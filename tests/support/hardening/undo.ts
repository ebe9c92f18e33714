import type { FileMode } from '../../../recipes/hardening/control.ts';
import { type Sh, sh } from '../../../src/core/index.ts';

/** How one thing that a control wants is undone in a running machine, as an administrator's slip would. */
export interface Sabotage {
  readonly undo: Sh;
  readonly restore: Sh;
  /** What the control's check must then print. */
  readonly named: readonly string[];
}

const copyOf = (path: string) => `/run/kib-kept${path.replaceAll('/', '%')}`;

/** Copies a file, unless that was done before. */
export function keep(path: string): Sh {
  return sh`[ -e ${copyOf(path)} ] || cp -p ${path} ${copyOf(path)}`;
}

/** Puts the copy back, as if newly written. */
export function back(path: string): Sh {
  return sh`
    if [ -e ${copyOf(path)} ]; then
      cp -p ${copyOf(path)} ${path}
      touch ${path}
      rm ${copyOf(path)}
    fi
  `;
}

/** A file that is not there is in order, so it is made. */
export function fileMode({ path, mode }: FileMode): Sabotage {
  const note = `/run/kib-mode${path.replaceAll('/', '%')}`;
  return {
    undo: sh`
      mkdir -p ${path.replace(/\/[^/]*$/, '')}
      if [ -e ${path} ]; then stat -L -c '%a %u:%g' ${path} >${note}; else : >${path}; fi
      chown daemon:daemon ${path}
      chmod 0777 ${path}
    `,
    restore: sh`
      if [ -e ${note} ]; then
        read -r mode owner <${note}
        chown "$owner" ${path}
        chmod "$mode" ${path}
        rm ${note}
      else
        rm -f ${path}
      fi
    `,
    named: [`${path} belongs to daemon:daemon`, ...(mode === '0777' ? [] : [`${path} has mode 777`])],
  };
}
