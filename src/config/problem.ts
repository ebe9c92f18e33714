import { type ConfigIssue, configError, type ErrorCode, type KibError } from '../core/index.ts';

/** A configuration problem and, where it is not simply invalid, the code that says so. */
export interface Problem extends ConfigIssue {
  readonly code?: ErrorCode;
}

/** Thrown by nobody: collects problems so that all of them are reported at once. */
export class Problems {
  readonly #found: Problem[] = [];

  add(...problems: readonly Problem[]): void {
    this.#found.push(...problems);
  }

  get isEmpty(): boolean {
    return this.#found.length === 0;
  }

  /** In the order of their files and lines, each once. */
  get all(): readonly Problem[] {
    const seen = new Set<string>();
    const unique = this.#found.filter((problem) => {
      const key = JSON.stringify([problem.source, problem.path, problem.message]);
      return !seen.has(key) && seen.add(key);
    });
    const files = [...new Set(unique.map((problem) => position(problem).file))];
    return unique.sort((a, b) => {
      const [x, y] = [position(a), position(b)];
      return files.indexOf(x.file) - files.indexOf(y.file) || x.line - y.line || x.column - y.column;
    });
  }

  /** The error that carries them all; its code is theirs when they agree. */
  error(): KibError {
    const codes = new Set(this.#found.map((problem) => problem.code ?? 'KIB_CONFIG_INVALID'));
    const [code = 'KIB_CONFIG_INVALID'] = codes;
    const issues = this.all.map(({ path, message, hint, source }) => ({ path, message, hint, source }));
    return configError(issues, codes.size === 1 ? code : 'KIB_CONFIG_INVALID');
  }

  throwIfAny(): void {
    if (!this.isEmpty) throw this.error();
  }
}

function position(problem: Problem): { file: string; line: number; column: number } {
  const match = /^(.*):(\d+):(\d+)$/.exec(problem.source ?? '');
  return { file: match?.[1] ?? problem.source ?? '', line: Number(match?.[2] ?? 0), column: Number(match?.[3] ?? 0) };
}
