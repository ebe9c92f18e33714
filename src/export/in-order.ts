/**
 * Works on up to `limit` items at a time and yields the results in the order of the items. Items are taken only as results are asked for, so
 * that memory stays bounded. The first failure in that order is thrown; what is still under way then ends unheard.
 */
export async function* inOrder<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  limit: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R, void, void> {
  const underWay: Promise<R>[] = [];
  for await (const item of items) {
    const result = work(item);
    result.catch(() => {});
    underWay.push(result);
    const first = underWay.length < limit ? undefined : underWay.shift();
    if (first !== undefined) yield await first;
  }
  for (const result of underWay) yield await result;
}
