import { lines, raw, type Sh, sh } from '../core/index.ts';

/** One program of a script: POSIX sh, run as root with `set -eu`, standard input empty, working directory `/`. */
export interface ScriptStep {
  readonly script: Sh;
  /** Runs instead of the script in the first attempt; it finds that one beside itself, at `"\${0%.first.sh}.sh"`. */
  readonly first?: Sh;
  /** Bytes for the script, which finds them in the file `"${0%.sh}.data"`. */
  readonly data?: string | Uint8Array;
  /** Shell text that exports variables for this step alone; its secrets are in no argument and on no disk. */
  readonly environment?: Sh;
  /** Per attempt. */
  readonly timeoutMs: number;
  /** How often to try in all. */
  readonly attempts: number;
  /** Between two attempts. */
  readonly pauseMs: number;
  /** Exit codes that are success; default: only 0. */
  readonly okCodes?: readonly number[];
  /** `merge`: standard error goes where standard output goes, in order; `apart`: its tail follows after a marker. */
  readonly stderr: 'merge' | 'apart';
}

export interface ComposeOptions {
  /** Random word that tells this run's markers from anything the guest prints. */
  readonly nonce: string;
  /** What a step's failure means for the steps after it. */
  readonly onFailure: 'stop' | 'continue';
}

/** `timeout -k`: seconds between SIGTERM and SIGKILL for a step that is over its time or cancelled. */
export const KILL_AFTER_SECONDS = 5;
/** Base64 line length (RFC 2045). */
const WIDTH = 76;

/**
 * One POSIX sh script that runs the steps in order and reports each by markers on standard output (see MarkerParser). Feed it to a
 * root shell's standard input: everything stands in a function called in the last line, so that a script cut short does nothing. Files
 * go to a 0700 folder in memory (/run), which goes away with the script, as does `/dev/shm/<its name>.*`; a SIGTERM ends the running step first.
 */
export function composeScript(steps: readonly ScriptStep[], options: ComposeOptions): string {
  const onFailure = options.onFailure === 'stop' ? raw('|| kib_stop "$?"') : raw('|| :');
  const body = lines([
    prelude(options.nonce),
    ...steps.flatMap((step, index) => [
      stage(`${index}.sh`, step.script.text),
      ...(step.first === undefined ? [] : [stage(`${index}.first.sh`, step.first.text)]),
      ...(step.data === undefined ? [] : [stage(`${index}.data`, step.data)]),
      ...(step.environment === undefined ? [] : [stage(`${index}.env`, step.environment.text)]),
    ]),
    environment,
    ...steps.map((step, index) => {
      const words = [index, step.attempts, Math.ceil(step.pauseMs / 1000), Math.ceil(step.timeoutMs / 1000), step.stderr];
      const ok = step.okCodes === undefined ? [] : [step.okCodes.join(' ')];
      return sh`kib_step ${[...words, ...ok]} ${onFailure}`;
    }),
    raw('kib_mark done'),
  ]);
  return `kib_main() {\n${body.text}\n}\nkib_main\nexit\n`;
}

/**
 * No secret stands in a process's arguments: printf is part of the shell, which spares a process for each text. A heredoc of base64 takes any bytes;
 * where the shell is bash it may write one to a file first (older than 5.1: always), hence TMPDIR.
 */
function stage(name: string, content: string | Uint8Array): Sh {
  if (typeof content === 'string' && !content.includes('\0')) return sh`printf %s ${content} >"$kib_dir"/${name} || exit 74`;
  const encoded = Buffer.from(content).toString('base64');
  const wrapped = encoded.replace(new RegExp(`.{${WIDTH}}(?!$)`, 'g'), '$&\n');
  return lines([sh`base64 -d >"$kib_dir"/${name} <<'__' || exit 74`, raw(encoded === '' ? '__' : `${wrapped}\n__`)]);
}

/** Times come from /proc/uptime: POSIX has no clock finer than a second. */
const prelude = (nonce: string): Sh => sh`
  umask 077
  kib_dir=$(mktemp -d /run/kib.XXXXXXXXXX 2>/dev/null) || kib_dir=$(mktemp -d /dev/shm/kib.XXXXXXXXXX) || exit 73
  TMPDIR=$kib_dir
  kib_child=
  kib_clean() {
    if [ -n "$kib_child" ]; then
      kill -TERM "$kib_child" 2>/dev/null
      wait "$kib_child" 2>/dev/null
    fi
    rm -rf "$kib_dir" "/dev/shm/\${kib_dir##*/}".*
  }
  trap kib_clean EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 141' PIPE
  trap 'exit 143' TERM
  kib_mark() { printf '\036kib:%s:%s\n' ${nonce} "$*"; }
  kib_clock() {
    read -r kib_now kib_idle </proc/uptime
    kib_now=$((\${kib_now%.*} * 100 + 1\${kib_now#*.} - 100))
  }
  kib_env() {
    if [ -e "$1" ]; then . "$1"; fi
  }
  if command -v timeout >/dev/null 2>&1; then
    kib_run() { kib_env "$3"; exec timeout -k ${KILL_AFTER_SECONDS} "$1" /bin/sh -eu "$2"; }
  else
    kib_run() { kib_env "$3"; exec /bin/sh -eu "$2"; }
  fi
  kib_step() {
    kib_try=1
    while :; do
      kib_mark start "$1" "$kib_try"
      kib_clock
      kib_begin=$kib_now
      kib_file=$kib_dir/$1.sh
      if [ "$kib_try" -eq 1 ] && [ -e "$kib_dir/$1.first.sh" ]; then kib_file=$kib_dir/$1.first.sh; fi
      if [ "$5" = apart ]; then
        kib_run "$4" "$kib_file" "$kib_dir/$1.env" </dev/null 2>"$kib_dir/$1.err" &
      else
        kib_run "$4" "$kib_file" "$kib_dir/$1.env" </dev/null 2>&1 &
      fi
      kib_child=$!
      wait "$kib_child"
      kib_code=$?
      kib_child=
      kib_clock
      if [ "$5" = apart ]; then
        kib_mark stderr "$1"
        tail -c 4096 "$kib_dir/$1.err"
      fi
      kib_mark end "$1" "$kib_code" "$(((kib_now - kib_begin) * 10))"
      case " \${6:-0} " in *" $kib_code "*) return 0 ;; esac
      [ "$kib_try" -lt "$2" ] || return "$kib_code"
      kib_try=$((kib_try + 1))
      sleep "$3" &
      kib_child=$!
      wait "$kib_child"
      kib_child=
    done
  }
  kib_stop() {
    kib_mark done
    exit "$1"
  }
  kib_mark begin "$$"
`;

const environment = sh`
  unset TMPDIR
  umask 022
  cd /
  export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  export HOME=/root LC_ALL=C LANG=C DEBIAN_FRONTEND=noninteractive
`;
