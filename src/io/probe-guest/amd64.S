# Boot sector that tells whether an accelerator really runs guests: real mode, long mode with paging, an exception through the IDT, ring 3
# and back, then leaves QEMU through isa-debug-exit. Some hosts open /dev/kvm and take the first steps, but hang or abort on these.
# Build: as -o amd64.o amd64.S && ld -m elf_x86_64 -Ttext 0x7c00 -e start --oformat binary -o amd64.img amd64.o; its bytes are in images.ts.
    .code16
    .globl start
start:
    ljmp $0, $1f
1:  cli
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %ss
    mov $0x7c00, %sp
    # Page tables at 0x1000 to 0x3fff: the first GiB in pages of 2 MiB, for ring 3 too.
    mov $0x100, %ax
    mov %ax, %es
    xor %edi, %edi
    xor %eax, %eax
    mov $0xc00, %ecx
    cld
    rep stosl
    movl $0x2007, 0x1000
    movl $0x3007, 0x2000
    mov $0x3000, %di
    mov $0x87, %eax
    mov $512, %cx
2:  mov %eax, (%di)
    add $8, %di
    add $0x200000, %eax
    loop 2b
    # CR4.PAE, CR3, EFER.LME, then CR0.PG with CR0.PE.
    mov $0x20, %eax
    mov %eax, %cr4
    mov $0x1000, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx
    rdmsr
    or $0x100, %ax
    wrmsr
    lgdt gdt_pointer
    mov %cr0, %eax
    or $0x80000001, %eax
    mov %eax, %cr0
    ljmp $8, $long_mode

    .code64
long_mode:
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %ss
    mov $0x7c00, %esp
    xor %eax, %eax
    cpuid
    # IDT at 0x5000 with one gate, vector 3, open to ring 3.
    mov $0x5000, %edi
    mov $handler, %eax
    mov %ax, 48(%rdi)
    movw $8, 50(%rdi)
    movw $0xee00, 52(%rdi)
    movl $0, 54(%rdi)
    lidt idt_pointer
    int3
    # TSS at 0x6000: the stack for the way back from ring 3.
    movl $0x7a00, 0x6004
    movl $0, 0x6008
    mov $0x28, %eax
    ltr %ax
    push $0x23
    push $0x7800
    push $2
    push $0x1b
    push $user
    iretq
user:
    int3
    jmp .
handler:
    testb $3, 8(%rsp)
    jnz done
    iretq
done:
    # QEMU exits with 0x10 << 1 | 1 = 33.
    mov $0xf4, %edx
    mov $0x10, %al
    out %al, (%dx)
3:  hlt
    jmp 3b

    .align 8
gdt:
    .quad 0
    .quad 0x00af9b000000ffff    # 0x08 code, ring 0
    .quad 0x00cf93000000ffff    # 0x10 data, ring 0
    .quad 0x00affb000000ffff    # 0x18 code, ring 3
    .quad 0x00cff3000000ffff    # 0x20 data, ring 3
    .quad 0x0000890060000067    # 0x28 TSS at 0x6000
    .quad 0
gdt_pointer:
    .word gdt_pointer - gdt - 1
    .long gdt
idt_pointer:
    .word 0xfff
    .quad 0x5000
    .org 510
    .word 0xaa55
