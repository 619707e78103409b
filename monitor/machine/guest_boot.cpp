#include "monitor/machine/guest_boot.hpp"

#include <array>
#include <span>
#include <string_view>
#include <utility>

#include "base/log.hpp"
#include "monitor/boot/acpi.hpp"
#include "monitor/boot/boot_params.hpp"
#include "monitor/boot/command_line.hpp"
#include "monitor/boot/loader.hpp"
#include "monitor/boot/mptable.hpp"
#include "monitor/boot/page_tables.hpp"
#include "monitor/memory/layout.hpp"

namespace {

EntryMode entry_mode(BootProtocol protocol) {
    switch (protocol) {
        case BootProtocol::kPvh:
            return EntryMode::kProtected32;
        case BootProtocol::kLinux64:
            return EntryMode::kLong64;
        case BootProtocol::kUser64:
            return EntryMode::kUser64;
    }
    __builtin_unreachable();
}

// Real-mode code that asks the i8042 for a reset. Linux on hardware-reduced ACPI comes here when
// its command line names no way to reboot.
Result<> write_reset_vector(const GuestMemory& memory) {
    constexpr std::array<uint8_t, 5> kCode = {
        0xb0, 0xfe,  // mov al, 0xfe
        0xe6, 0x64,  // out 0x64, al
        0xf4,        // hlt
    };
    return memory.write(layout::kResetVector, kCode);
}

// Linux on our tables times itself by kvm-clock and the TSC deadline timer. Other kernels, and
// Linux told to do without ACPI, look for the timer that every PC has.
PitNeed pit_need(const LoadedKernel& kernel, std::string_view command_line) {
    if (kernel.protocol == BootProtocol::kUser64) return PitNeed::kNone;
    if (kernel.is_linux && !has_word(command_line, "acpi=off")) return PitNeed::kNone;
    return PitNeed::kForCalibration;
}

std::string line_for(const LoadedKernel& kernel, const MachineShape& shape) {
    if (!kernel.is_linux) return kernel_line(shape, KernelKind::kOther);
    ApicVetoes without = without_apic_vetoes(kernel_line(shape, KernelKind::kLinux));
    if (!without.left_out.empty())
        LOG_WARNING("kernel command line: %s: left out; this VM has no other interrupt controller",
                    without.left_out.c_str());
    return std::move(without.line);
}

Result<GuestAddress> write_tables(const MachineShape& shape, const GuestRam& ram,
                                  const LoadedKernel& kernel, const BootInfo& info) {
    const GuestMemory memory = ram.memory();
    TRY(write_boot_params(memory, ram.regions(), kernel, info));
    TRY(write_descriptor_tables(memory, entry_mode(kernel.protocol)));
    if (info.rsdp) {
        TRY(write_acpi_tables(memory,
                              {.vcpus = shape.vcpus,
                               .virtio_devices = static_cast<uint32_t>(shape.device_count()),
                               .serial_ports = shape.stdio == StdioKind::kChannel ? 2U : 1U,
                               .keyboard = shape.has_keyboard}));
        TRY(write_mp_table(memory, shape.vcpus));
        TRY(write_reset_vector(memory));
    }
    switch (kernel.protocol) {
        case BootProtocol::kPvh:
            return GuestAddress{0};  // paging is off
        case BootProtocol::kLinux64:
            return write_page_tables(memory, ram.regions(), PageAccess::kSupervisor);
        case BootProtocol::kUser64:
            return write_page_tables(memory, ram.regions(), PageAccess::kUser);
    }
    __builtin_unreachable();
}

}  // namespace

Result<BootPlan> prepare_guest(const MachineShape& shape, const BootOrigin& origin,
                               const GuestRam& ram, Timeline& timeline) {
    const LoadedKernel kernel = TRY(load_kernel(origin.images.kernel, ram, origin.pages));
    const std::string command_line = line_for(kernel, shape);
    BootInfo info{.command_line = command_line};
    const auto& initrd_file = origin.images.initrd;
    const InitrdSource initrd{.file = initrd_file.has_value() ? &*initrd_file : nullptr,
                              .appended = std::as_bytes(std::span(origin.initrd_appended))};
    if (initrd.file != nullptr || !initrd.appended.empty())
        info.initrd = TRY(load_initrd(initrd, ram, kernel, origin.pages));
    // A user64 guest has no interrupts to route and no use for tables.
    if (kernel.protocol != BootProtocol::kUser64) info.rsdp = layout::kRsdp;
    timeline.mark(Stage::kLoad);

    const GuestAddress page_tables = TRY(write_tables(shape, ram, kernel, info));
    timeline.mark(Stage::kTables);
    return BootPlan{
        .entry = {.mode = entry_mode(kernel.protocol),
                  .entry = kernel.entry,
                  .boot_information = kernel.protocol == BootProtocol::kLinux64
                                          ? layout::kZeroPage
                                          : layout::kPvhStartInfo,
                  .page_tables = page_tables},
        .pit = pit_need(kernel, command_line),
        .looks_after_serial_writes = kernel.is_linux || kernel.protocol == BootProtocol::kUser64,
    };
}
