# A guest of one sector for tests, up in a tenth of a second: says so on the serial port and the screen, writes one sector of its disk,
# and powers off when the ACPI power button is pressed, unless the byte before the boot signature tells it not to. With the byte before that
# it counts with every timer tick, on from what its third sector says: in memory and in that sector, and says so when the two are not the same.
# Build: as -o g.o tiny-guest.S && ld -m elf_x86_64 -Ttext 0x7c00 -e start --oformat binary -o g.img g.o; its bytes are in tiny-guest.ts.
    .code16
    .globl start
start:
    ljmp $0, $1f
1:  cli
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    mov $0x7c00, %sp
    sti
    cld
    mov %dl, drive
    mov $up, %si
    call print
    # INT 13h AH=43h: write the sector at 0x7c00, which is this one, to LBA 1.
    mov $0x4300, %ax
    mov drive, %dl
    mov $packet, %si
    int $0x13
    mov $written, %si
    jnc 2f
    mov $failed, %si
2:  call print
    # PM1 registers of q35, where SeaBIOS puts them: status 0x600, enable 0x602, control 0x604. Bit 8 is the power button.
    in $0xa1, %al
    or $2, %al
    out %al, $0xa1
    mov $0x602, %dx
    mov $0x100, %ax
    out %ax, %dx
    mov $0x42, %ah
    call third
    mov buffer, %ax
    mov %ax, number
wait:
    hlt
    cmpb $0, counting
    je 5f
    call count
5:  mov $0x600, %dx
    in %dx, %ax
    test $1, %ah
    jz wait
    out %ax, %dx
    mov $pressed, %si
    call print
    cmpb $0, deaf
    jne wait
    # SLP_EN with sleep type 0, which is S5 on q35.
    mov $0x604, %dx
    mov $0x2000, %ax
    out %ax, %dx
    jmp wait

count:
    mov $0x42, %ah
    call third
    mov number, %ax
    mov $lost, %si
    cmp buffer, %ax
    jne 8f
    inc %ax
    mov %ax, number
    mov %ax, buffer
    mov $0x43, %ah
    call third
    # Four digits, the last one first.
    mov number, %ax
    mov $digits + 3, %di
    mov $10, %cx
7:  xor %dx, %dx
    div %cx
    add $'0', %dl
    mov %dl, (%di)
    dec %di
    cmp $digits, %di
    jae 7b
    mov $counted, %si
    jmp print
8:  movb $0, counting
    jmp print

    # INT 13h AH=42h or 43h: read or write LBA 2.
third:
    xor %al, %al
    mov drive, %dl
    mov $packet3, %si
    int $0x13
    ret

print:
    lodsb
    test %al, %al
    jz 4f
    mov $0x0e, %ah
    mov $7, %bx
    int $0x10
    mov %al, %ah
    mov $0x3fd, %dx
3:  in %dx, %al
    test $0x20, %al
    jz 3b
    mov $0x3f8, %dx
    mov %ah, %al
    out %al, %dx
    jmp print
4:  ret

drive:   .byte 0
packet:  .byte 16, 0
         .word 1, 0x7c00, 0
         .quad 1
packet3: .byte 16, 0
         .word 1, 0x7e00, 0
         .quad 2
number:  .word 0
counted: .ascii "tiny guest counts "
digits:  .asciz "0000\r\n"
lost:    .asciz "tiny guest lost count\r\n"
up:      .asciz "tiny guest is up\r\n"
written: .asciz "tiny guest wrote its disk\r\n"
failed:  .asciz "tiny guest cannot write its disk\r\n"
pressed: .asciz "tiny guest felt the power button\r\n"
    .equ buffer, 0x7e00
    .org 508
counting: .byte 0
deaf:     .byte 0
    .word 0xaa55
