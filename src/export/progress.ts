/** Tells `report` the share done in percent, whole and only when it has grown. */
export function percentProgress(total: number, report: (percent: number) => void): (done: number) => void {
  let last = -1;
  return (done) => {
    const percent = Math.floor((done / total) * 100);
    if (percent <= last) return;
    last = percent;
    report(percent);
  };
}
