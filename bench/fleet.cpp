#include "bench/fleet.hpp"

#include <sys/resource.h>

#include <string>

#include "bench/machine_facts.hpp"
#include "bench/series.hpp"

Fleet::~Fleet() {
    for (const Process& vm : vms_) vm.send_kill();
}

Result<> Fleet::add(const Program& program) {
    auto vm = Process::start(program);
    if (!vm.ok()) return vm.error().about(program.name);
    const auto first = vm.value().first_output_us(kStartTimeoutMs);
    if (!first.ok()) return first.error().about(program.name);
    vms_.push_back(std::move(vm).value());
    return Ok{};
}

Result<uint64_t> Fleet::private_kib() const {
    uint64_t kib = 0;
    for (const Process& vm : vms_) {
        const std::string path = "/proc/" + std::to_string(vm.pid()) + "/smaps_rollup";
        const std::string text = proc_text(path.c_str());
        const uint64_t dirty_kib = proc_kib(text, "Private_Dirty");
        // A process keeps some memory as long as it is one.
        if (dirty_kib == 0) return Error{"a VM", ESRCH, "it ended, and should stay up"};
        kib += dirty_kib + proc_kib(text, "Private_Clean");
    }
    return kib;
}

Result<> allow_descriptors(size_t count) {
    constexpr size_t kOfOurOwn = 64;
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return Error::from_errno("getrlimit");
    const rlim_t wanted = count + kOfOurOwn;
    if (limit.rlim_cur >= wanted) return Ok{};
    if (limit.rlim_max < wanted)
        return Error{"open files", EMFILE, "raise the hard limit: ulimit -Hn", limit.rlim_max};
    limit.rlim_cur = wanted;
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return Error::from_errno("setrlimit");
    return Ok{};
}
