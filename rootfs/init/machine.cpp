#include "rootfs/init/machine.hpp"

#include <fcntl.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "abi/machine.hpp"
#include "rootfs/unikernel/instructions.hpp"
#include "rootfs/unikernel/platform.hpp"

bool machine::take_ports() {
    return ::ioperm(guest_abi::kExitPort, 4, 1) == 0 &&
           ::ioperm(guest_abi::kChannelPort, guest_abi::kChannelPorts, 1) == 0;
}

void machine::give_up_ports() {
    ::ioperm(guest_abi::kExitPort, 4, 0);
    ::ioperm(guest_abi::kChannelPort, guest_abi::kChannelPorts, 0);
}

std::byte* machine::map_physical(uint64_t address, size_t size_bytes) {
    const int fd = ::open("/dev/mem", O_RDWR | O_CLOEXEC);
    if (fd < 0) return nullptr;
    void* const mapped = ::mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                                static_cast<off_t>(address));
    ::close(fd);
    return mapped == MAP_FAILED ? nullptr : static_cast<std::byte*>(mapped);
}

void machine::give_boot_signal() {
    std::byte* const page = map_physical(guest_abi::kBootSignal, platform::kPageSize);
    if (page == nullptr) return;  // a kernel without /dev/mem: nobody but a stopwatch misses it
    *static_cast<volatile std::byte*>(page) = std::byte{guest_abi::kBootSignalValue};
    ::munmap(page, platform::kPageSize);
}

void machine::end(uint8_t status) {
    if (take_ports()) out32(guest_abi::kExitPort, status);
    // Not on Mayfly, or a kernel that gives no ports.
    ::reboot(RB_POWER_OFF);
    for (;;) ::pause();
}
