// First instructions of a flash image: power off by PSCI SYSTEM_OFF (Arm DEN0022), upon which QEMU exits with 0.
// Build: aarch64-linux-gnu-as and objcopy -O binary; the bytes are in images.ts.
    mov  w0, #0x84000000
    movk w0, #0x0008
    hvc  #0
1:  b    1b
