// Mayfly's unikernel, from entry to exit.

#include "abi/machine.hpp"
#include "rootfs/unikernel/boot_info.hpp"
#include "rootfs/unikernel/clock.hpp"
#include "rootfs/unikernel/command_line.hpp"
#include "rootfs/unikernel/device_payload.hpp"
#include "rootfs/unikernel/instructions.hpp"
#include "rootfs/unikernel/payload.hpp"
#include "rootfs/unikernel/platform.hpp"
#include "rootfs/unikernel/serial.hpp"
#include "rootfs/unikernel/text.hpp"

namespace {

constexpr StringView kFirstLine = "Hello from a Mayfly guest\n";
constexpr uint64_t kStatusMisused = 2;  // what a shell's own commands return for a usage error

struct TimeStamps {
    uint64_t entry;
    uint64_t first_line;
};

void report(const BootInfo& info, const TimeStamps& stamps, const Clock& clock, View<char> buffer) {
    Text times(buffer);
    times.add("boot: entry at ");
    clock.describe(stamps.entry, times);
    times.add(", first line after ");
    clock.describe(stamps.first_line - stamps.entry, times);
    times.add(", report after ");
    clock.describe(read_tsc() - stamps.entry, times);
    if (clock.khz() != 0) times.add("; TSC ").add(clock.khz()).add(" kHz");
    serial::write(times.add("\n").view());

    serial::write(Text(buffer).add("command line: ").add(info.command_line()).add("\n").view());

    const MemorySize ram = ram_of(info.memory_map());
    Text memory(buffer);
    memory.add("memory: ").add(ram.bytes / 1024).add(" KiB in ").add(ram.entries);
    memory.add(" of ").add(info.memory_map().size()).add(" map entries\n");
    serial::write(memory.view());
}

[[noreturn]] void end(Ending ending, uint64_t status) {
    switch (ending) {
        case Ending::kExit:
            out32(guest_abi::kExitPort, static_cast<uint32_t>(status));
            break;
        case Ending::kReset:
            out8(guest_abi::kI8042Command, guest_abi::kPulseReset);
            break;
        case Ending::kPowerOff:
            out8(guest_abi::kSleepControlPort, guest_abi::kPowerOff);
            break;
        case Ending::kCrash:
            undefined_instruction();
        case Ending::kLoop:
            break;
    }
    // HLT is privileged, and without an IDT nothing could wake it.
    for (;;) relax();
}

[[noreturn]] void refuse(StringView what, StringView which, View<char> buffer) {
    serial::write(Text(buffer).add(what).add(which).add("\n").view());
    end(Ending::kExit, kStatusMisused);
}

}  // namespace

// Called by start.S. `tsc_khz`: 0 where the monitor does not know it. `entry_tsc`: the time stamp
// counter as it was at the first instruction.
extern "C" [[noreturn]] void unikernel_main(const hvm_start_info* start_info, uint64_t tsc_khz,
                                            uint64_t entry_tsc) {
    alignas(platform::kPageSize) static char buffer[platform::kPageSize];

    const BootInfo info(*start_info);
    if (!info.valid()) refuse("no start info of version 1 in RDI", "", buffer);

    const Request request = parse_command_line(info.command_line());
    if (!request.silent) serial::write(kFirstLine);
    const TimeStamps stamps{entry_tsc, read_tsc()};

    const Clock clock(tsc_khz);
    if (!request.silent && !request.quiet) report(info, stamps, clock, buffer);
    if (!request.refused.empty()) refuse("not a number in range: ", request.refused, buffer);
    if (request.boot_signal) store8(guest_abi::kBootSignal, guest_abi::kBootSignalValue);

    if (request.fill_mib != 0) payload::fill(request.fill_mib, info.memory_map(), clock, buffer);
    const payload::Surroundings around{info.memory_map(), clock, buffer};
    uint64_t failure = 0;
    if (request.uses_disk()) failure = payload::disk(request, around);
    if (failure == 0 && request.uses_network()) failure = payload::network(request, around);
    if (failure == 0 && request.uses_channel()) failure = payload::channel(request, around);
    if (failure != 0) end(Ending::kExit, failure);
    if (request.print_lines != 0) payload::print(request.print_lines, buffer);
    if (request.sum_bytes != 0) payload::sum(request.sum_bytes, buffer);
    if (request.echo) payload::echo();
    end(request.ending, request.exit_status);
}
