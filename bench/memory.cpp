#include "bench/memory.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <string>

#include "base/options.hpp"
#include "bench/flags.hpp"
#include "bench/program.hpp"
#include "bench/smaps.hpp"

namespace {

constexpr char kDefaultMemory[] = "128M";
constexpr int kTimeoutMs = 30'000;
// After the first output a monitor may still print, start threads and settle.
constexpr useconds_t kSettleUs = 300'000;

constexpr Flag kFlags[] = {
    {"--memory"},
    {"--mayfly"},
    {"--command"},
    {"--verbose", FlagValue::kNone},
};

// A guest that stays up, of `memory_text` RAM.
Result<Program> program_to_measure(const Options& options, const char* memory_text) {
    if (const char* const command = options.get("--command"); command != nullptr)
        return parse_program(("command=" + std::string(command)).c_str());
    return Program{.name = "mayfly",
                   .words = {TRY(path_of(options, "--mayfly", "mayfly")), "run", "--memory",
                             memory_text, "--", "loop"}};
}

Result<Process> start_guest(const Program& program) {
    Process process = TRY(Process::start(program));
    const auto first = process.first_output_us(kTimeoutMs);
    if (!first.ok()) return first.error();
    return process;
}

void print_area(const MemoryArea& area, const char* what) {
    std::printf("%8" PRIu64 " KiB private %8" PRIu64 " KiB resident of %8" PRIu64 "  %012" PRIx64
                "  %s%s\n",
                area.private_kib, area.resident_kib, area.size() / 1024, area.start,
                area.name.empty() ? "anonymous" : area.name.c_str(), what);
}

Result<> print(std::span<const MemoryArea> areas, const Program& program, uint64_t ram_bytes,
               bool verbose) {
    const std::span<const MemoryArea> ram = TRY(find_guest_ram(areas, ram_bytes));
    for (const MemoryArea& area : areas) {
        const bool is_ram = &area >= ram.data() && &area < ram.data() + ram.size();
        if (verbose) print_area(area, is_ram ? "  (guest RAM, not counted)" : "");
    }
    struct stat file {};
    if (::stat(program.words.front().c_str(), &file) != 0) return Error::from_errno("stat");
    std::printf("private memory beside guest RAM: %" PRIu64 " KiB\n",
                total_private_kib(areas) - total_private_kib(ram));
    std::printf("guest RAM in use: %" PRIu64 " of %" PRIu64 " KiB\n", total_private_kib(ram),
                ram_bytes / 1024);
    std::printf("size of %s: %jd bytes\n", program.words.front().c_str(),
                static_cast<intmax_t>(file.st_size));
    return Ok{};
}

}  // namespace

Result<> memory(std::span<const char* const> arguments) {
    const Options options = TRY(Options::parse(kFlags, arguments));
    const char* const given = options.get("--memory");
    const char* const ram_text = given != nullptr ? given : kDefaultMemory;
    const uint64_t ram_bytes = TRY(parse_size(ram_text));
    const Program program = TRY(program_to_measure(options, ram_text));
    TRY(check_kvm());

    // The second one makes shared what can be shared: a page that only one process maps counts as
    // its own, though the next VM would not need another.
    const Process measured = TRY(start_guest(program));
    const Process second = TRY(start_guest(program));
    ::usleep(kSettleUs);
    const std::string smaps = TRY(read_smaps(measured.pid()));
    const std::vector<MemoryArea> areas = TRY(parse_smaps(smaps));
    return print(areas, program, ram_bytes, options.has("--verbose"));
}
