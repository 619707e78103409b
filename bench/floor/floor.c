// The floor that Mayfly's start-up is measured against: the least a program can do to see the first
// bytes of a KVM guest. One memory slot of 128 MiB, an interrupt chip, one vCPU that enters a few
// bytes of code in 64-bit mode at CPL 3, and no library between this file and the ioctls. It sets
// neither CPUID nor MSRs and has no device; a monitor that comes near it wastes little.
//
// The guest writes one line to port 0x3f8 (standard output) and its exit status to port 0xf4.
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
    kMemoryBytes = 128 << 20,
    kLargePageBytes = 2 << 20,
    kPml4 = 0x9000,  // the three page tables follow each other
    kPdpt = 0xa000,
    kPageDirectory = 0xb000,
    kEntry = 0x100000,
    kTssLimit = 0x2000,  // the task state segment with an I/O permission bitmap of every port
    kSerialPort = 0x3f8,
    kExitPort = 0xf4,
};

// Intel SDM vol. 3 §4.5: present, writable, user; PS makes a directory entry a 2 MiB page.
enum { kTable = 0x7, kLargePage = 0x87 };

static const uint8_t kGuestCode[] = {
    0x48, 0x8d, 0x35, 0x13, 0x00, 0x00, 0x00,  // lea  rsi, [rip + 0x13]: the text below
    0xb9, 0x06, 0x00, 0x00, 0x00,              // mov  ecx, 6
    0x66, 0xba, 0xf8, 0x03,                    // mov  dx, 0x3f8
    0xf3, 0x6e,                                // rep outsb
    0x31, 0xc0,                                // xor  eax, eax
    0x66, 0xba, 0xf4, 0x00,                    // mov  dx, 0xf4
    0xef,                                      // out  dx, eax
    0xf4,                                      // hlt: not reached
    'h',  'e',  'l',  'l',  'o',  '\n',
};

static int failed(const char* what) {
    perror(what);
    return 125;
}

// Identity-maps the memory in user pages and puts the guest's code in place.
static void fill_memory(uint8_t* memory) {
    uint64_t* const pml4 = (uint64_t*)(void*)(memory + kPml4);
    uint64_t* const pdpt = (uint64_t*)(void*)(memory + kPdpt);
    uint64_t* const directory = (uint64_t*)(void*)(memory + kPageDirectory);
    pml4[0] = kPdpt | kTable;
    pdpt[0] = kPageDirectory | kTable;
    for (uint64_t i = 0; i < kMemoryBytes / kLargePageBytes; ++i)
        directory[i] = i * kLargePageBytes | kLargePage;
    memcpy(memory + kEntry, kGuestCode, sizeof kGuestCode);
}

// 64-bit mode at privilege level 3 with paging on, as after a kernel's return to user space.
static int set_registers(int vcpu) {
    struct kvm_sregs special;
    if (ioctl(vcpu, KVM_GET_SREGS, &special) != 0) return -1;
    const struct kvm_segment data = {.limit = 0xffffffff,
                                     .selector = 0x1b,
                                     .type = 3,
                                     .present = 1,
                                     .dpl = 3,
                                     .db = 1,
                                     .s = 1,
                                     .g = 1};
    struct kvm_segment code = data;
    code.selector = 0x23;
    code.type = 11;
    code.db = 0;
    code.l = 1;
    special.cs = code;
    special.ds = special.es = special.fs = special.gs = special.ss = data;
    // A TSS of zeroes at address 0 permits every port in its I/O bitmap: a host that runs CPL 3
    // without hardware virtualization may lose the flags' IOPL, and then the bitmap decides.
    special.tr =
        (struct kvm_segment){.limit = kTssLimit, .selector = 0x28, .type = 11, .present = 1};
    special.ldt = (struct kvm_segment){.type = 2, .unusable = 1};
    special.cr0 = 0x80050033;  // PG AM WP NE ET MP PE
    special.cr3 = kPml4;
    special.cr4 = 0x20;    // PAE
    special.efer = 0xd01;  // NXE LMA LME SCE
    if (ioctl(vcpu, KVM_SET_SREGS, &special) != 0) return -1;

    const struct kvm_regs general = {.rip = kEntry, .rflags = 0x3002};  // IOPL 3
    return ioctl(vcpu, KVM_SET_REGS, &general);
}

// Ends by a signal: what is measured then is what a VM costs that only exists.
static void stay(void) {
    for (;;) pause();
}

// Runs the guest until it reports its exit status, which is returned.
static int run(int vcpu, const struct kvm_run* state) {
    for (;;) {
        if (ioctl(vcpu, KVM_RUN, 0) != 0) return failed("KVM_RUN");
        if (state->exit_reason != KVM_EXIT_IO || state->io.direction != KVM_EXIT_IO_OUT) {
            fprintf(stderr, "floor: unexpected exit %u\n", state->exit_reason);
            return 126;
        }
        const uint8_t* const bytes = (const uint8_t*)state + state->io.data_offset;
        if (state->io.port == kExitPort) return bytes[0];
        if (state->io.port != kSerialPort) continue;
        const size_t length = (size_t)state->io.count * state->io.size;
        if (write(STDOUT_FILENO, bytes, length) < 0) return failed("write");
    }
}

int main(int argc, char** argv) {
    const bool stays = argc == 2 && strcmp(argv[1], "--stay") == 0;
    const int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0) return failed("/dev/kvm");
    const int vm = ioctl(kvm, KVM_CREATE_VM, 0);
    if (vm < 0) return failed("KVM_CREATE_VM");

    uint8_t* const memory = mmap(NULL, kMemoryBytes, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return failed("mmap");
    fill_memory(memory);
    // Before the interrupt chip: afterwards a memory slot waits out an SRCU grace period.
    const struct kvm_userspace_memory_region slot = {.memory_size = kMemoryBytes,
                                                     .userspace_addr = (uintptr_t)memory};
    if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot) != 0)
        return failed("KVM_SET_USER_MEMORY_REGION");
    if (ioctl(vm, KVM_CREATE_IRQCHIP, 0) != 0) return failed("KVM_CREATE_IRQCHIP");

    const int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
    if (vcpu < 0) return failed("KVM_CREATE_VCPU");
    const int state_bytes = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (state_bytes < 0) return failed("KVM_GET_VCPU_MMAP_SIZE");
    const struct kvm_run* const state =
        mmap(NULL, (size_t)state_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    if (state == MAP_FAILED) return failed("mmap");
    if (set_registers(vcpu) != 0) return failed("registers");
    const int status = run(vcpu, state);
    if (stays && status == 0) stay();
    return status;
}
