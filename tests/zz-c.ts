import { qemu } from '../drivers/qemu/driver.ts';
import { testContext } from './support/test-context.ts';
import { tinyGuestRequest } from './support/tiny-guest.ts';
await using context = await testContext({ cache: '/tmp/kib/qemu-layers' });
const m = await qemu.launch(await tinyGuestRequest('/tmp/kib/qemu-layers/c.img', { counting: true }), qemu.options.parse({accelerator:'tcg'}), context);
let n = 0;
for await (const l of m.console!.lines(AbortSignal.timeout(5000))) { if (!l.startsWith("tiny")) continue; console.log(Date.now()%100000, l); if (++n > 12) break; }
const s = await m.shutdown({ graceMs: 3000, signal: context.signal }); console.log(await s.seal());
