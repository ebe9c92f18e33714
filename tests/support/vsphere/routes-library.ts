import type { Item } from './library.ts';
import { wrongState } from './refusal.ts';
import { created, done, ok, type Routes } from './world.ts';

const ITEM = '/api/content/library/item';

export const libraryRoutes: Routes = {
  'GET /api/content/library': ({ library }) => ok([...library.libraries.keys()]),
  'GET /api/content/library/*': ({ library }, [id = '']) => ok({ id, name: library.libraries.get(id), type: 'LOCAL' }),
  'POST /api/content/library?action=find': ({ library }, _ids, { name }) =>
    ok([...library.libraries].filter(([, other]) => other === name).map(([id]) => id)),
  'POST /api/content/local-library': ({ library }, _ids, { name }) => {
    library.libraries.set('lib-2', String(name));
    return created('lib-2');
  },
  [`POST ${ITEM}?action=find`]: ({ library }, _ids, { name, library_id, type }) =>
    ok(
      [...library.items.values()]
        .filter((item) => (name === undefined || item.name === name) && (library_id === undefined || item.library === library_id))
        .filter((item) => type === undefined || item.type === type)
        .map(({ id }) => id),
    ),
  [`POST ${ITEM}`]: async ({ library }, _ids, { name, library_id, type }) =>
    created((await library.add(String(library_id), String(name), String(type))).id),
  [`GET ${ITEM}/*`]: ({ library }, [id = '']) => ok(describeItem(library.item(id))),
  [`PATCH ${ITEM}/*`]: ({ library }, [id = ''], { name }) => {
    library.item(id).name = String(name);
    return done;
  },
  [`DELETE ${ITEM}/*`]: async ({ library, machines }, [id = '']) => {
    const { vm } = library.item(id);
    await library.remove(id);
    if (vm !== undefined) await machines.remove(vm);
    return done;
  },
  [`GET ${ITEM}/update-session`]: ({ library }, _ids, _body, url) =>
    ok([...library.updates.values()].filter(({ item }) => item === url.searchParams.get('library_item_id')).map(({ id }) => id)),
  [`POST ${ITEM}/update-session`]: ({ library }, _ids, { library_item_id }) =>
    created(library.openUpdate(String(library_item_id))),
  [`GET ${ITEM}/update-session/*`]: async ({ library }, [id = '']) => {
    const session = library.update(id);
    await library.settle(session);
    return ok(library.describeUpdate(session));
  },
  [`DELETE ${ITEM}/update-session/*`]: ({ library }, [id = '']) => {
    if (library.update(id).state === 'ACTIVE') throw wrongState('The session is active.');
    library.updates.delete(id);
    return done;
  },
  [`POST ${ITEM}/update-session/*?action=complete`]: ({ library }, [id = '']) => {
    library.update(id).left = 2;
    return done;
  },
  [`POST ${ITEM}/update-session/*?action=cancel`]: ({ library }, [id = '']) => {
    library.update(id).state = 'CANCELED';
    return done;
  },
  [`POST ${ITEM}/update-session/*/file`]: ({ library, origin }, [id = ''], { name, source_type, size }) => {
    library.update(id).files.set(String(name), typeof size === 'number' ? size : undefined);
    const upload_endpoint = { uri: `${origin}/cls/data/${id}/${encodeURIComponent(String(name))}` };
    return created({ name, source_type, size, upload_endpoint, bytes_transferred: 0, status: 'WAITING_FOR_TRANSFER' });
  },
  [`POST ${ITEM}/update-session/*/file?action=validate`]: async ({ library }, [id = '']) => {
    const missing = await library.missing(library.update(id));
    return ok({ has_errors: missing.length > 0, missing_files: missing, invalid_files: [] });
  },
  [`GET ${ITEM}/download-session`]: ({ library }, _ids, _body, url) =>
    ok(
      [...library.downloads.values()].filter(({ item }) => item === url.searchParams.get('library_item_id')).map(({ id }) => id),
    ),
  [`POST ${ITEM}/download-session`]: ({ library }, _ids, { library_item_id }) =>
    created(library.openDownload(String(library_item_id))),
  [`DELETE ${ITEM}/download-session/*`]: ({ library }, [id = '']) => {
    library.downloads.delete(library.download(id).id);
    return done;
  },
  [`POST ${ITEM}/download-session/*?action=cancel`]: ({ library }, [id = '']) => {
    library.download(id);
    return done;
  },
  [`POST ${ITEM}/download-session/*?action=keep-alive`]: ({ library }, [id = '']) => {
    library.download(id);
    return done;
  },
  [`GET ${ITEM}/download-session/*/file`]: async ({ library, origin }, [id = ''], _body, url) => {
    const session = library.download(id);
    const name = url.searchParams.get('file_name');
    if (name !== null) return ok(await library.describeDownload(session, name, origin));
    const { files } = library.item(session.item);
    return ok(await Promise.all(files.map((file) => library.describeDownload(session, file, origin))));
  },
  [`POST ${ITEM}/download-session/*/file?action=prepare`]: async ({ library, origin }, [id = ''], { file_name }) => {
    const session = library.download(id);
    session.prepared.set(String(file_name), 0);
    return ok(await library.describeDownload(session, String(file_name), origin));
  },
};

function describeItem({ id, name, library, type, version }: Item): unknown {
  return { id, name, library_id: library, type, content_version: String(version), cached: true };
}
