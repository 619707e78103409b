#include "monitor/boot/boot_params.hpp"

#include <array>
#include <cstddef>

#include "monitor/boot/memory_map.hpp"
#include "monitor/boot/start_info.hpp"
#include "monitor/boot/zero_page.hpp"
#include "monitor/memory/layout.hpp"

namespace {

Result<> write_command_line(const GuestMemory& memory, std::string_view line) {
    if (line.size() >= layout::kCommandLineMaxBytes)
        return Error{"kernel command line of bytes", 0, "is longer than 2047; shorten it",
                     line.size()};
    if (line.find('\0') != std::string_view::npos)
        return Error{"kernel command line", 0, "has a NUL in it"};
    std::array<std::byte, layout::kCommandLineMaxBytes> bytes{};
    line.copy(static_cast<char*>(static_cast<void*>(bytes.data())), line.size());
    return memory.write_bytes(layout::kCommandLine, std::span(bytes).first(line.size() + 1));
}

}  // namespace

Result<> write_boot_params(const GuestMemory& memory, std::span<const GuestMemory::Region> ram,
                           const LoadedKernel& kernel, const BootInfo& info) {
    TRY(write_command_line(memory, info.command_line));
    const MemoryMap map(ram);
    if (kernel.protocol == BootProtocol::kLinux64)
        return write_zero_page(memory, map, kernel, info);
    return write_start_info(memory, map, info);
}
