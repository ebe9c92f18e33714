import type { BuildEvent, Clock } from '../core/index.ts';

/** A stream that text goes to; process.stdout and process.stderr are ones. */
export interface Output {
  write(text: string): unknown;
}

export interface UiOptions {
  /** tty: live lines; plain: a log; json: the events themselves, on stdout. */
  readonly mode: 'tty' | 'plain' | 'json';
  /** Where json goes. People are talked to on stderr, so that stdout stays for results. */
  readonly stdout: Output;
  readonly stderr: Output;
  /** Show every log line. */
  readonly verbose: boolean;
  /** Width of the terminal right now; default 80. */
  readonly columns?: () => number;
  /** Its height right now; default 24. */
  readonly rows?: () => number;
  /** False under NO_COLOR and for anything that is not a terminal. */
  readonly colour: boolean;
  readonly clock: Clock;
  /** Titles of all builds to come, when there are several; what is told of one then has its title in front. */
  readonly titles?: readonly string[];
}

/** A reader of build events. Give it every event in order, then close it: that restores the cursor and ends its timer. */
export interface Ui {
  /** Announces a build, by its id, before its first event; `title` is one of the options' titles. Not needed for a single build. */
  add(build: string, title: string): void;
  read(event: BuildEvent): void;
  /** Tells people something of the caller's own; writing to the terminal beside the reader would garble its lines. */
  say(text: string): void;
  /** Leaves the terminal to someone else (a shell on the machine) until the returned function is called. */
  suspend(): () => void;
  /** Safe to call twice. */
  close(): void;
}
