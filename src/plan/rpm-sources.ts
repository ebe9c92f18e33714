import { lines, type PackageSetup, type PrimitiveAction, type Sh, sh } from '../core/index.ts';
import { removeSourceFiles, writeSourceFiles } from './source-files.ts';

const TIMEOUT_MS = 60_000;
/** What a .repo file was before, beside it; package managers look at .repo files only. */
const BEFORE = '.kib-before';

/**
 * Changes the .repo files of the base in place, since a package that owns one would bring it back: `enabled=0` in every section, or
 * another base URL for some. Then writes others.
 */
export function changeRpmSources(folder: string, setup: PackageSetup): readonly PrimitiveAction[] {
  const { disabled, baseurls = {} } = setup;
  const names = Object.keys(baseurls);
  const changes = [...(disabled === true ? [disable] : []), ...Object.entries(baseurls).map(([id, url]) => useBaseurl(id, url))];
  const change: PrimitiveAction = {
    kind: 'exec',
    title: disabled === true ? 'leave the repositories of the base alone' : `read ${names.join(', ')} from elsewhere`,
    script: lines([
      sh`for file in ${folder}/*.repo; do`,
      sh`[ -e "$file" ] || continue`,
      sh`[ -e "$file${BEFORE}" ] || cp -p "$file" "$file${BEFORE}"`,
      ...changes,
      sh`done`,
      ...names.map((id) => requireSection(folder, id)),
    ]),
    timeoutMs: TIMEOUT_MS,
  };
  return [...(changes.length === 0 ? [] : [change]), ...writeSourceFiles(setup)];
}

export function restoreRpmSources(folder: string, setup: PackageSetup): readonly PrimitiveAction[] {
  const { disabled, baseurls = {}, keep } = setup;
  const isChanged = disabled === true || Object.keys(baseurls).length > 0;
  const restore: PrimitiveAction = {
    kind: 'exec',
    title: keep ? 'forget the former repositories' : 'bring the repositories of the base back',
    script: keep
      ? sh`rm -f ${folder}/*.repo${BEFORE}`
      : sh`
          for file in ${folder}/*.repo${BEFORE}; do
            if [ -e "$file" ]; then mv "$file" "\${file%${BEFORE}}"; fi
          done
        `,
    timeoutMs: TIMEOUT_MS,
  };
  return [...removeSourceFiles(setup), ...(isChanged ? [restore] : [])];
}

const disable: Sh = sh`sed -i -e '/^[[:space:]]*enabled[[:space:]]*=/d' -e '/^\[/a enabled=0' "$file"`;

/** A base URL would only be one more beside a list of mirrors. */
function useBaseurl(id: string, url: string): Sh {
  const program = `
    /^[[:space:]]*\\[/ { here = ($0 ~ "^[[:space:]]*\\\\[" id "\\\\]"); print; if (here) print "baseurl=" url; next }
    here && /^[[:space:]]*(baseurl|mirrorlist|metalink)[[:space:]]*=/ { next }
    { print }
  `.trim();
  return sh`awk -v id=${id} -v url=${url} ${program} "$file" >"$file.new" && cat "$file.new" >"$file" && rm "$file.new"`;
}

function requireSection(folder: string, id: string): Sh {
  return sh`grep -qF ${`[${id}]`} ${folder}/*.repo || { echo ${`the base has no repository ${id}`} >&2; exit 1; }`;
}
