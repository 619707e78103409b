// The kernel's command line. All that Mayfly itself says there is said here: the lines that stand
// in for one that nobody gives, and what is added to any. Words and quotes are as Linux reads them.
// Main thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"

// For a kernel of the user's under `mayfly run`: speak on the serial line, end the VM where a PC
// would reboot, and do not test the ciphers at each start. Upstream's default is not to; a
// distribution's kernel that does spends half of its boot on it.
inline constexpr char kUsersKernelLine[] = "console=ttyS0 reboot=k panic=-1 cryptomgr.notests";

// For a program in an image: nothing but what goes wrong on the console, which the user sees if it
// ends the VM; an end where a PC would reboot; no self-tests of ciphers, no probing of serial ports
// that are not there, and no doubt about the clock.
inline constexpr char kImageLine[] =
    "console=ttyS0 quiet reboot=k panic=-1 cryptomgr.notests 8250.nr_uarts=2 tsc=reliable";

// What Firecracker boots with where a client gives no arguments.
inline constexpr char kFirecrackerLine[] =
    "reboot=k panic=1 nomodule 8250.nr_uarts=0 i8042.noaux i8042.nomux i8042.dumbkbd "
    "swiotlb=noforce";

enum class RootAccess : uint8_t { kReadOnly, kReadWrite };

// The first drive as the kernel's root.
struct RootDrive {
    std::string partuuid;  // the partition; empty: the whole drive
    RootAccess access = RootAccess::kReadWrite;
};

struct CommandLineAdditions {
    std::string network;              // `mayfly.net=...`, for our init; empty: none
    std::optional<RootDrive> root{};  // none: what was given says where the root is
    // So many windows are announced, as a kernel with CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES and
    // without ACPI finds them. One that has read of them in the DSDT finds the windows taken, and
    // goes on. Source: Linux drivers/virtio/virtio_mmio.c,
    // "virtio_mmio.device=<size>@<baseaddr>:<irq>".
    uint32_t virtio_devices = 0;
};

// `given` with the additions before a `--`, behind which all is init's.
std::string whole_command_line(std::string_view given, const CommandLineAdditions& additions);

// `line`, Linux', without words by which it would find no interrupt controller: with our ACPI
// tables it looks for no PIC, and such words keep it from the APICs. Told to do without ACPI, it
// has the PIC, and nothing is left out.
struct ApicVetoes {
    std::string line;
    std::string left_out;  // those words; empty: none
};
ApicVetoes without_apic_vetoes(std::string_view line);

// `given` with words for init, if there are any: Linux hands it what follows `--`. Those with
// blanks are put between double quotes. Error, about the word: it has blanks outside of its own
// quotes.
Result<std::string> with_init_arguments(std::string given, std::span<const char* const> arguments);

// True if `word` is one of the words of `line` before a `--`.
bool has_word(std::string_view line, std::string_view word);

// True if what is added to `line` would be between its double quotes.
bool has_open_quote(std::string_view line);
