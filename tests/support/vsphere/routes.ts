import { localizable, notFound, Refusal } from './refusal.ts';
import { inventoryRoutes } from './routes-inventory.ts';
import { itemRoutes } from './routes-items.ts';
import { libraryRoutes } from './routes-library.ts';
import { machineRoutes } from './routes-machines.ts';
import { viJson } from './vi-json.ts';
import { type Answer, type Body, type Call, done, ok, type Routes, type World } from './world.ts';

const ROUTES: Routes = {
  ...inventoryRoutes,
  ...libraryRoutes,
  ...itemRoutes,
  ...machineRoutes,
  'GET /api/cis/tasks/*': ({ tasks }, [id = '']) => {
    const task = tasks.get(id);
    if (task === undefined) throw notFound(`The task ${id}`);
    task.polls += 1;
    const about = {
      description: localizable('Clone'),
      service: 'com.vmware.vcenter.VM',
      operation: 'clone$task',
      cancelable: true,
    };
    if (task.outcome === undefined || task.polls < 2) {
      return ok({ ...about, status: 'RUNNING', progress: { total: 100, completed: 50, message: localizable('copying') } });
    }
    if ('value' in task.outcome) return ok({ ...about, status: 'SUCCEEDED', result: task.outcome.value });
    return ok({ ...about, status: 'FAILED', error: (task.outcome.error as Refusal).message });
  },
  'POST /api/cis/tasks/*?action=cancel': ({ tasks }, [id = '']) => {
    if (!tasks.has(id)) throw notFound(`The task ${id}`);
    return done;
  },
};

/** Finds the route of a call: by method, path with identifiers, and the parameters that tell operations apart. */
export async function answer(world: World, { method, url, body }: Call): Promise<Answer> {
  if (url.pathname.startsWith('/sdk/vim25/')) return viJson(world, { method, url, body });
  const parts = url.pathname.split('/');
  const telling = ['action', 'vmw-task'].flatMap((name) => {
    const value = url.searchParams.get(name);
    return value === null ? [] : [`${name}=${value}`];
  });
  const suffix = telling.length === 0 ? '' : `?${telling.join('&')}`;
  const fitting = Object.keys(ROUTES)
    .filter((key) => {
      const [path = ''] = key.slice(method.length + 1).split('?');
      const theirs = path.split('/');
      return (
        key.startsWith(`${method} `) &&
        key.endsWith(`${path}${suffix}`) &&
        theirs.length === parts.length &&
        theirs.every((part, index) => part === '*' || part === parts[index])
      );
    })
    .sort((a, b) => a.split('*').length - b.split('*').length);
  const [key] = fitting;
  const route = key === undefined ? undefined : ROUTES[key];
  if (key === undefined || route === undefined)
    throw new Refusal(404, 'NOT_FOUND', `The fake has no ${method} ${url.pathname}${url.search}`);
  const pattern = (key.split(' ')[1] ?? '').split('?')[0]?.split('/') ?? [];
  const ids = parts.filter((_part, index) => pattern[index] === '*').map(decodeURIComponent);
  return route(world, ids, (body ?? {}) as Body, url);
}
