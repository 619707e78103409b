#include "bench/machine_facts.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "base/read_all.hpp"
#include "base/unique_fd.hpp"

namespace {

std::string_view trimmed(std::string_view text) {
    const size_t first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Calls `take` with both sides of the colon of each line that has one.
template <typename Take>
void for_each_line(std::string_view text, Take take) {
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        const size_t colon = line.find(':');
        if (colon != std::string_view::npos)
            take(trimmed(line.substr(0, colon)), trimmed(line.substr(colon + 1)));
    }
}

bool has_word(std::string_view words, std::string_view word) {
    for (size_t at = words.find(word); at != std::string_view::npos;
         at = words.find(word, at + 1)) {
        const bool starts = at == 0 || words[at - 1] == ' ';
        const size_t end = at + word.size();
        if (starts && (end == words.size() || words[end] == ' ')) return true;
    }
    return false;
}

std::string kvm_module() {
    for (const char* const name : {"kvm_intel", "kvm_amd", "kvm_pvm"})
        if (::access((std::string("/sys/module/") + name).c_str(), F_OK) == 0) return name;
    return {};
}

uint64_t usable_cpus() {
    cpu_set_t set;
    CPU_ZERO(&set);
    return ::sched_getaffinity(0, sizeof(set), &set) == 0 ? static_cast<uint64_t>(CPU_COUNT(&set))
                                                          : 0;
}

}  // namespace

std::string_view proc_value(std::string_view text, std::string_view wanted) {
    std::string_view found;
    for_each_line(text, [&](std::string_view name, std::string_view value) {
        if (name == wanted && found.empty()) found = value;
    });
    return found;
}

uint64_t proc_kib(std::string_view text, std::string_view name) {
    const std::string_view value = proc_value(text, name);
    uint64_t kib = 0;
    std::from_chars(value.data(), value.data() + value.size(), kib);
    return kib;
}

uint64_t pages_kept_by_cpus(std::string_view zoneinfo) {
    uint64_t pages = 0;
    for_each_line(zoneinfo, [&pages](std::string_view name, std::string_view value) {
        uint64_t count = 0;
        std::from_chars(value.data(), value.data() + value.size(), count);
        if (name == "count") pages += count;
    });
    return pages;
}

uint64_t available_kib() {
    const auto page_kib = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)) / 1024;
    return proc_kib(proc_text("/proc/meminfo"), "MemAvailable") +
           pages_kept_by_cpus(proc_text("/proc/zoneinfo")) * page_kib;
}

std::string proc_text(const char* path) {
    const UniqueFd file(::open(path, O_RDONLY | O_CLOEXEC));
    if (!file) return {};
    auto text = read_all(file.get());
    return text.ok() ? std::move(text).value() : std::string();
}

MachineFacts MachineFacts::read() {
    MachineFacts facts;
    utsname names{};
    if (::uname(&names) == 0) facts.kernel = names.release;
    const std::string cpus = proc_text("/proc/cpuinfo");
    facts.cpu = proc_value(cpus, "model name");
    facts.is_virtual = has_word(proc_value(cpus, "flags"), "hypervisor");
    facts.cpus = usable_cpus();
    facts.memory_kib = proc_kib(proc_text("/proc/meminfo"), "MemTotal");
    facts.kvm = kvm_module();
    double load = 0;
    if (::getloadavg(&load, 1) == 1) facts.load = load;
    return facts;
}
