#include "bench/api_memory.hpp"

#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <span>
#include <vector>

#include "bench/api_vm.hpp"
#include "bench/program.hpp"
#include "bench/smaps.hpp"

namespace {

constexpr uint64_t kRamBytes = 128 << 20;
// As in `mayfly-bench memory`.
constexpr useconds_t kSettleUs = 300'000;
constexpr char kGuestWords[] = "loop";

Result<uint64_t> private_kib_beside_ram(const Process& process) {
    const std::string smaps = TRY(read_smaps(process.pid()));
    const std::vector<MemoryArea> areas = TRY(parse_smaps(smaps));
    return total_private_kib(areas) - total_private_kib(TRY(find_guest_ram(areas, kRamBytes)));
}

Result<Process> start_by_run(const std::string& mayfly, const std::string& kernel) {
    Process process = TRY(Process::start({.name = "mayfly run",
                                          .words = {mayfly, "run", "--memory", "128M", "--kernel",
                                                    kernel, "--cmdline", kGuestWords}}));
    TRY(process.first_output_us(kApiTimeoutMs));
    return process;
}

// With the client's connection, which it keeps.
struct Started {
    ApiVm vm;
    HttpClient client;
};

Result<Started> start_by_api(const std::string& mayfly, const std::string& kernel,
                             const std::string& socket_path) {
    ApiVm vm = TRY(ApiVm::start(mayfly, socket_path));
    TRY(vm.ready_us());
    HttpClient client = TRY(vm.connect());
    for (const ApiRequest& request : requests_for({.kernel = kernel, .boot_args = kGuestWords}))
        TRY(client.ask(request, 204));
    TRY(vm.process().first_output_us(kApiTimeoutMs));
    return Started{std::move(vm), std::move(client)};
}

// The second of each makes shared what can be shared: `mayfly-bench memory`.
Result<uint64_t> measure_run(const std::string& mayfly, const std::string& kernel) {
    const Process measured = TRY(start_by_run(mayfly, kernel));
    const Process second = TRY(start_by_run(mayfly, kernel));
    ::usleep(kSettleUs);
    return private_kib_beside_ram(measured);
}

Result<uint64_t> measure_api(const std::string& mayfly, const std::string& kernel,
                             const std::string& socket_path) {
    const Started measured = TRY(start_by_api(mayfly, kernel, socket_path));
    const Started second = TRY(start_by_api(mayfly, kernel, socket_path + "2"));
    ::usleep(kSettleUs);
    return private_kib_beside_ram(measured.vm.process());
}

}  // namespace

Result<> print_api_memory(const std::string& mayfly, const std::string& kernel,
                          const std::string& socket_path) {
    const uint64_t by_run = TRY(measure_run(mayfly, kernel));
    const uint64_t by_api = TRY(measure_api(mayfly, kernel, socket_path));
    std::printf("private memory beside guest RAM: by run %" PRIu64 " KiB, by API %" PRIu64 " KiB\n",
                by_run, by_api);
    std::printf("the API adds: %" PRId64 " KiB\n",
                static_cast<int64_t>(by_api) - static_cast<int64_t>(by_run));
    return Ok{};
}
