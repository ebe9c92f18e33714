import { type PackageSetup, type PrimitiveAction, sh } from '../core/index.ts';
import { removeSourceFiles, writeSourceFiles } from './source-files.ts';

const TIMEOUT_MS = 60_000;
/** apt reads files that end in .list and .sources only (sources.list(5)); the setting keeps it from calling others a mistake. */
const SUFFIX = '.disabled';
const SILENCE = '/etc/apt/apt.conf.d/90kib-disabled-sources';

/** Puts the files with the base's repositories aside, and writes others. */
export function changeAptSources(setup: PackageSetup): readonly PrimitiveAction[] {
  return [...(setup.disabled === true ? putAside : []), ...writeSourceFiles(setup)];
}

export function restoreAptSources(setup: PackageSetup): readonly PrimitiveAction[] {
  return [...removeSourceFiles(setup), ...(setup.disabled === true && !setup.keep ? [bringBack] : [])];
}

const putAside: readonly PrimitiveAction[] = [
  {
    kind: 'exec',
    title: 'leave the repositories of the base alone',
    script: sh`
      for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
        if [ -e "$file" ]; then mv "$file" "$file${SUFFIX}"; fi
      done
      rm -rf /var/lib/apt/lists/*
    `,
    timeoutMs: TIMEOUT_MS,
  },
  {
    kind: 'put',
    title: `write ${SILENCE}`,
    content: { kind: 'text', text: 'Dir::Ignore-Files-Silently { "\\.disabled$"; };\n' },
    path: SILENCE,
    mode: '0644',
    owner: 'root:root',
  },
];

const bringBack: PrimitiveAction = {
  kind: 'exec',
  title: 'bring the repositories of the base back',
  script: sh`
    rm -f ${SILENCE}
    for file in /etc/apt/sources.list${SUFFIX} /etc/apt/sources.list.d/*.list${SUFFIX} /etc/apt/sources.list.d/*.sources${SUFFIX}; do
      if [ -e "$file" ]; then mv "$file" "\${file%${SUFFIX}}"; fi
    done
  `,
  timeoutMs: TIMEOUT_MS,
};
