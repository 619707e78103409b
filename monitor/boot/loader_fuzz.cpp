// Any bytes as a kernel: whatever load_kernel accepts must lie in RAM, and every later step of the
// boot must cope with it.
#include <cstdint>
#include <cstdlib>
#include <span>
#include <utility>

#include "monitor/boot/boot_params.hpp"
#include "monitor/boot/loader.hpp"
#include "monitor/boot/page_tables.hpp"
#include "monitor/memory/layout.hpp"

namespace {

constexpr uint64_t kRamBytes = 4 << 20;
constexpr std::byte kInitrdBytes[0x1234]{};

void require(bool holds) {
    if (!holds) std::abort();
}

void boot(const GuestRam& ram, const LoadedKernel& kernel) {
    require(kernel.entry >= layout::kHighMemory);
    require(kernel.entry < kernel.end);
    require(kernel.end.value <= kRamBytes);

    BootInfo info{.command_line = "console=ttyS0", .rsdp = layout::kRsdp};
    const Image image = Image::embedded(kInitrdBytes);
    if (auto initrd = load_initrd({.file = &image}, ram, kernel); initrd.ok()) {
        require(initrd.value().address >= kernel.end);
        require(ram.memory().contains(initrd.value().address, initrd.value().size_bytes));
        info.initrd = initrd.value();
    }
    const auto written = write_boot_params(ram.memory(), ram.regions(), kernel, info);
    // Only a bzImage's own limit on the command line may stand in the way.
    require(written.ok() || !kernel.setup_header.empty());
    const auto access =
        kernel.protocol == BootProtocol::kUser64 ? PageAccess::kUser : PageAccess::kSupervisor;
    require(write_page_tables(ram.memory(), ram.regions(), access).ok());
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static const GuestRam ram = std::move(GuestRam::create(kRamBytes)).value();
    const Image image = Image::embedded(std::as_bytes(std::span(data, size)));
    const auto kernel = load_kernel(image, ram);
    if (kernel.ok()) boot(ram, kernel.value());
    return 0;
}
