import type { Arch } from '../../core/index.ts';

/** amd64.S assembled, without the zeroes up to the boot signature. */
const AMD64 = [
  'ea057c0000fa31c08ed88ed0bc007cb800018ec06631ff6631c066b9000c0000fc66f3ab66c70600100720000066c706002007300000bf00',
  '3066b887000000b9000266890583c708660500002000e2f266b8200000000f22e066b8001000000f22d866b9800000c00f320d00010f300f',
  '0116407d0f20c0660d010000800f22c0ea857c0800b8100000008ed88ed0bc007c000031c00fa2bf00500000b8f47c00006689473066c747',
  '32080066c7473400eec74736000000000f011c25467d0000ccc7042504600000007a0000c704250860000000000000b8280000000f00d86a',
  '2368007800006a026a1b68f17c000048cfccebfef644240803750248cfbaf4000000b010eef4ebfd0000000000000000ffff0000009baf00',
  'ffff00000093cf00ffff000000fbaf00ffff000000f3cf00670000600089000000000000000000003700087d0000ff0f0050',
].join('');

/** arm64.S assembled. */
const ARM64 = '0080b05200018072020000d400000014';

/** Bytes of the test guest: a boot disk on amd64, a flash image on arm64. */
export function probeImage(arch: Arch): Buffer {
  if (arch === 'arm64') return Buffer.from(ARM64, 'hex');
  // SeaBIOS does not boot from a disk of a single sector.
  const disk = Buffer.alloc(1024 * 1024);
  disk.write(AMD64, 0, 'hex');
  disk.writeUInt16LE(0xaa55, 510);
  return disk;
}

/** `mov $0xf4, %edx; mov $0x10, %al; out`: how the guest on amd64 says that it got to its end. */
const EXIT = Buffer.from('baf4000000b010ee', 'hex');
/** The same for the first serial port, and the letter K. */
const SAY_K = Buffer.from('baf8030000b04bee', 'hex');

/** The boot disk for amd64, but it writes a `K` to its serial port in the end: for where nobody sees how QEMU exits. */
export function serialProbeImage(): Buffer {
  const disk = probeImage('amd64');
  const at = disk.indexOf(EXIT);
  if (at === -1) throw new Error('the test guest does not leave through isa-debug-exit');
  SAY_K.copy(disk, at);
  return disk;
}
