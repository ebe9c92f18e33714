/** A signal that aborts the n-th time somebody asks whether it is aborted: every such place is a step a build can be stopped at. */
export function countingSignal(abortAt: number): AbortSignal {
  const controller = new AbortController();
  const { signal } = controller;
  let count = 0;
  let aborted = false;
  Object.defineProperty(signal, 'aborted', {
    get: () => {
      count += 1;
      if (count === abortAt) {
        aborted = true;
        controller.abort(new Error(`stopped at step ${abortAt}`));
      }
      return aborted;
    },
  });
  return signal;
}
