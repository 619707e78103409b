#include "monitor/sandbox/filters.hpp"

#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "monitor/sandbox/filter_file.hpp"
#include "monitor/sandbox/policy_file.hpp"

// The compiled policies: embedded_filters.S.
// NOLINTBEGIN(readability-identifier-naming): an assembly file's names
extern "C" const std::byte embedded_filters_begin[];
extern "C" const std::byte embedded_filters_end[];
// NOLINTEND(readability-identifier-naming)

namespace {

constexpr std::array kNames = {"main", "setup", "io", "io-plain", "vcpu", "vcpu-saved", "api"};

Error malformed(const char* why) {
    return {"compiled filters", EINVAL, why};
}

bool compares_own_pid(const sock_filter& instruction) {
    return BPF_CLASS(instruction.code) == BPF_JMP && instruction.k == filter_file::kOwnPid;
}

std::vector<sock_filter> for_this_process(std::span<const sock_filter> program) {
    std::vector<sock_filter> own(program.begin(), program.end());
    for (sock_filter& instruction : own)
        if (compares_own_pid(instruction)) instruction.k = static_cast<uint32_t>(::getpid());
    return own;
}

std::string_view name_in(const filter_file::Header& header) {
    return {header.role.data(), ::strnlen(header.role.data(), header.role.size())};
}

}  // namespace

const char* name_of(ThreadRole role) {
    return kNames[static_cast<size_t>(role)];
}

Filters Filters::embedded() {
    Filters filters;
    // The build made the file, and a test parses it.
    if (auto programs = find_programs({embedded_filters_begin, embedded_filters_end});
        programs.ok())
        filters.programs_ = programs.value();
    return filters;
}

Result<Filters> Filters::load(const char* path) {
    return parse(TRY(read_compiled_policy(path)));
}

Result<Filters> Filters::parse(std::vector<std::byte> bytes) {
    Filters filters = embedded();
    const Programs given = TRY(find_programs(bytes));
    for (size_t i = 0; i < kRoles; ++i)
        if (!given[i].empty()) filters.programs_[i] = given[i];
    filters.bytes_ = std::move(bytes);  // its buffer stays where the views look
    return filters;
}

Result<Filters::Programs> Filters::find_programs(std::span<const std::byte> file) {
    const auto magic = std::as_bytes(std::span(filter_file::kMagic));
    if (file.size() < magic.size() || !std::ranges::equal(file.first(magic.size()), magic))
        return malformed("do not begin with MayflyBP");
    file = file.subspan(magic.size());
    Programs programs;
    while (!file.empty()) {
        filter_file::Header header{};
        if (file.size() < sizeof(header)) return malformed("end inside a header");
        std::memcpy(&header, file.data(), sizeof(header));
        file = file.subspan(sizeof(header));
        const auto role = std::ranges::find(kNames, name_in(header));
        if (role == kNames.end()) return malformed("name a role that Mayfly does not have");
        if (header.count == 0 || header.count > BPF_MAXINSNS)
            return malformed("have a filter of no or more than 4096 instructions");
        const size_t bytes = header.count * sizeof(sock_filter);
        if (file.size() < bytes) return malformed("end inside a filter");
        // Headers and filters are multiples of the instruction's alignment, 4 bytes.
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
        const auto* const first = reinterpret_cast<const sock_filter*>(file.data());
        programs[static_cast<size_t>(role - kNames.begin())] = {first, header.count};
        file = file.subspan(bytes);
    }
    return programs;
}

Result<> Filters::install(ThreadRole role) const {
    std::span<const sock_filter> program = programs_[static_cast<size_t>(role)];
    if (program.empty()) return Ok{};
    std::vector<sock_filter> of_this_process;  // a vCPU's needs none: it allocates nothing
    if (std::ranges::any_of(program, compares_own_pid)) {
        of_this_process = for_this_process(program);
        program = of_this_process;
    }
    // The kernel copies it; that its pointer is to something not const is the header's doing.
    const sock_fprog filter{.len = static_cast<unsigned short>(program.size()),
                            .filter = const_cast<sock_filter*>(program.data())};
    if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0)
        return Error::from_errno("seccomp").about(name_of(role));
    return Ok{};
}
