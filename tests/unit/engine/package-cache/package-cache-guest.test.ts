import { readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { sh, systemClock } from '../../../../src/core/index.ts';
import { executeActions } from '../../../../src/engine/execute.ts';
import { BYTES, DEB, packageCacheWorld, send } from '../../../support/package-cache-world.ts';
import { eventually } from '../../../support/process-state.ts';
import { guestOf } from '../../../support/ssh-guest.ts';
import { startSshServer } from '../../../support/ssh-server.ts';

const { world, openCache, origin, ask, warnings } = packageCacheWorld();

describe('HTTP as package managers speak it', () => {
  it('hands on what the server says of a file it does not give', async () => {
    expect(await ask('http://repo.example.org/none.deb')).toMatchObject({ status: 404 });
    world.servers.intercept = (_req, res) => {
      res.writeHead(500).end();
      return true;
    };
    const answer = await ask(DEB);
    expect([answer.status, answer.body.toString()]).toEqual([502, `GET ${DEB} answered 500\n`]);
  });

  it('serves ranges, of what is stored and of what is on its way', async () => {
    for (let time = 0; time < 2; time++) {
      const answer = await ask(DEB, { range: 'bytes=1000-1999' });
      expect([answer.status, answer.headers['content-range']]).toEqual([206, `bytes 1000-1999/${BYTES.length}`]);
      expect(answer.body.equals(BYTES.subarray(1000, 2000))).toBe(true);
    }
    const rest = await ask(DEB, { range: 'bytes=690000-' });
    expect(rest.body.equals(BYTES.subarray(690_000))).toBe(true);
    expect((await ask(DEB, { range: `bytes=${BYTES.length}-` })).status).toBe(416);
    expect((await ask(DEB, { range: 'bytes=5-', 'if-range': '"other"' })).status).toBe(200);
    expect((await ask(DEB, { range: 'bytes=1-2,5-6' })).status).toBe(200);
  });

  it('answers HEAD and conditions', async () => {
    const head = await ask(DEB, {}, 'HEAD');
    expect([head.status, head.headers['content-length'], head.body.length]).toEqual([200, String(BYTES.length), 0]);
    const { 'last-modified': since = '', etag = '' } = head.headers;
    expect((await ask(DEB, { 'if-modified-since': since })).status).toBe(304);
    expect((await ask(DEB, { 'if-modified-since': 'Thu, 01 Jan 1970 00:00:00 GMT' })).status).toBe(200);
    expect((await ask(DEB, { 'if-none-match': etag })).status).toBe(304);
    expect((await ask(DEB, {}, 'POST')).status).toBe(405);
  });

  it('answers requests sent in one go in their order', async () => {
    world.servers.files.set('http://repo.example.org/b.deb', Buffer.from('bbb'));
    const { port, token } = await origin();
    const paths = ['pool/a_1_amd64.deb', 'none', 'b.deb', 'dists/stable/InRelease'];
    const text = await new Promise<string>((resolve) => {
      let out = '';
      const socket = connect(port, '127.0.0.1', () => {
        for (const path of paths) socket.write(`GET /${token}/http/repo.example.org/${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
        socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
      });
      socket.on('data', (chunk) => (out += chunk.toString('latin1')));
      socket.on('close', () => resolve(out));
    });
    expect([...text.matchAll(/HTTP\/1\.1 (\d+) /g)].map((match) => match[1])).toEqual(['200', '404', '200', '200', '403']);
    expect(text).toContain(BYTES.toString('latin1'));
    expect(text.indexOf('bbb')).toBeLessThan(text.lastIndexOf('one'));
  });

  it('is a proxy for who knows the token', async () => {
    const { port, token } = await origin();
    const login = (password: string) => ({ 'proxy-authorization': `Basic ${Buffer.from(`kib:${password}`).toString('base64')}` });
    expect((await send(port, DEB, login(token))).body.equals(BYTES)).toBe(true);
    expect((await send(port, DEB, login('other'))).status).toBe(403);
    expect((await send(port, DEB)).status).toBe(403);
    expect((await send(port, `/other/${DEB.replace('://', '/')}`)).status).toBe(403);
    expect(world.servers.log).toHaveLength(1);
  });

  it('fetches nothing that only the guest can mean', async () => {
    for (const host of ['127.0.0.1', 'localhost', '[::1]', '169.254.169.254', '0.0.0.0', 'user@repo.example.org', '0177.0.0.1']) {
      expect((await ask(`http://${host}/x`)).status).toBe(403);
    }
    expect(world.servers.log).toEqual([]);
  });
});

describe('the tunnel', () => {
  it('is made anew with the connection', async () => {
    await ask(DEB);
    const before = await origin();
    world.server.drop();
    await eventually(() => world.server.openConnections() === 0);
    await systemClock.sleep(50);
    expect((await ask(DEB)).body.equals(BYTES)).toBe(true);
    expect((await origin()).token).toBe(before.token);
  });

  it('that the guest does not allow means a warning and no wrapper', async () => {
    await using closed = await startSshServer({ forwards: false });
    await using stubborn = await guestOf(closed, world.context.signal);
    await using other = await openCache(stubborn);
    expect(await other.wrapper(world.context.signal)).toBeUndefined();
    expect(warnings()).toEqual(['the guest’s SSH server forwards no ports; it downloads all packages itself']);
    const action = {
      kind: 'exec',
      id: 'a/1',
      recipe: 'a',
      title: 'a',
      script: sh`echo direct`,
      timeoutMs: 5000,
      packages: true,
    } as const;
    await executeActions(stubborn, [action], { files: new Map(), context: world.context, packageCache: other });
    expect(world.context.events).toContainEqual({ type: 'log', stream: 'guest', line: 'direct' });
  });
});

it('is left out of the second attempt', async () => {
  const script = sh`
    echo "config=\${APT_CONFIG:-none}"
    test -z "\${APT_CONFIG:-}"
  `;
  const action = {
    kind: 'exec',
    id: 'a/1',
    recipe: 'a',
    title: 'a',
    script,
    timeoutMs: 20_000,
    attempts: 2,
    packages: true,
  } as const;
  const other = { ...action, id: 'a/2', script: sh`test -z "\${APT_CONFIG:-}"`, packages: undefined };
  const { packages: _, ...plain } = other;
  await executeActions(world.guest, [action, plain], { files: new Map(), context: world.context, packageCache: world.cache });
  const configs = world.context.events.flatMap((event) =>
    event.type === 'log' && event.line.startsWith('config=') ? [event.line] : [],
  );
  expect(configs).toEqual([expect.stringMatching(/^config=\/dev\/shm\/kib\.\w+\.0\/apt\.conf$/), 'config=none']);
  expect((await readdir('/dev/shm')).filter((name) => name.startsWith('kib.'))).toEqual([]);
});
