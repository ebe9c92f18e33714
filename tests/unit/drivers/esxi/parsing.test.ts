import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCsv } from '../../../../drivers/esxi/csv.ts';
import { esxiError, isFault } from '../../../../drivers/esxi/faults.ts';
import { esxiOptionsSchema } from '../../../../drivers/esxi/options.ts';
import { connectionOf } from '../../../../drivers/esxi/resources.ts';

describe('what esxcli prints', () => {
  it('is a table, each line of which ends with a comma', () => {
    const text = 'ActiveClients,Name,VLANID,VirtualSwitch,\n1,Management Network,0,vSwitch0,\n3,"VM ""A"", and B",0,vSwitch0,\n';
    expect(parseCsv(text)).toEqual([
      { ActiveClients: '1', Name: 'Management Network', VLANID: '0', VirtualSwitch: 'vSwitch0' },
      { ActiveClients: '3', Name: 'VM "A", and B', VLANID: '0', VirtualSwitch: 'vSwitch0' },
    ]);
    expect(parseCsv('')).toEqual([]);
    expect(parseCsv('Name,\r\n')).toEqual([]);
  });

  it('comes back whatever the fields hold', () => {
    const cell = fc.stringMatching(/^[\w ,"\n-]{1,12}$/);
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell), { minLength: 1 }), (rows) => {
        const quoted = (value: string) => `"${value.replaceAll('"', '""')}"`;
        const text = `A,B,\n${rows.map((row) => `${row.map(quoted).join(',')},\n`).join('')}`;
        expect(parseCsv(text)).toEqual(rows.map(([A, B]) => ({ A, B })));
      }),
    );
  });
});

describe('what a host’s commands say when they fail', () => {
  const fault = (type: string, text: string) =>
    `(vim.fault.${type}) {\n   faultCause = (vmodl.MethodFault) null,\n   faultMessage = <unset>\n   msg = "${text}"\n}\n`;
  const end = { argv: ['vim-cmd', 'vmsvc/power.on', '7'], stdout: '', stderr: '', exitCode: 1, place: 'root@esxi' };

  it.each([
    [{ stdout: fault('NotFound', 'Unable to find a VM corresponding to "7"') }, 'KIB_ESXI', 'not-found', 'corresponding to "7"'],
    [{ stdout: fault('AlreadyExists', 'The name exists.') }, 'KIB_ESXI', 'taken', 'failed on root@esxi: The name exists.'],
    [{ stdout: fault('ToolsUnavailable', 'No tools.') }, 'KIB_ESXI', 'tools', 'No tools.'],
    [{ stderr: 'cat: write error: No space left on device\n' }, 'KIB_ESXI_FULL', 'full', 'No space left'],
    [{ stdout: fault('InvalidPowerState', '') }, 'KIB_ESXI', 'other', 'InvalidPowerState'],
    [{ exitCode: 127, stderr: 'sh: vim-cmd: not found' }, 'KIB_ESXI', 'other', 'has no vim-cmd'],
    [{}, 'KIB_ESXI', 'other', 'exit code 1'],
  ] as const)('%o is %s, %s', (change, code, failure, message) => {
    const error = esxiError({ ...end, ...change });
    expect(error).toMatchObject({ code, details: { failure } });
    expect(error.message).toContain(message);
  });

  it('is a fault only where it is the whole answer', () => {
    expect(isFault({ stdout: fault('NotFound', 'x'), stderr: '' })).toBe(true);
    expect(isFault({ stdout: 'annotation = "(vim.fault.NotFound) {"\n', stderr: '' })).toBe(false);
  });
});

describe('options of the ESXi driver', () => {
  it('climb out of no datastore', () => {
    const folder = (remoteFolder: string) => esxiOptionsSchema.safeParse({ host: 'h', remoteFolder }).success;
    expect(['kib', 'a/b.c'].map(folder)).toEqual([true, true]);
    expect(['/kib', '..', 'a/../b', 'a b', 'a;b', ''].map(folder)).toEqual([false, false, false, false, false, false]);
  });

  it('leave no secret for the journal', () => {
    const options = esxiOptionsSchema.parse({ host: 'h', password: { file: 'secret.txt' }, keyFile: 'id' });
    expect(connectionOf(options)).toEqual({
      host: 'h',
      port: 22,
      username: 'root',
      keyFile: `${process.cwd()}/id`,
      password: { file: `${process.cwd()}/secret.txt` },
    });
  });
});
