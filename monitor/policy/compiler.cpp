#include "monitor/policy/compiler.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <seccomp.h>

#include "base/unique_fd.hpp"
#include "monitor/sandbox/filter_file.hpp"

namespace {

struct ReleaseFilter {
    void operator()(void* filter) const { ::seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, ReleaseFilter>;

scmp_compare comparison_of(const Condition& condition) {
    if (condition.mask != UINT64_MAX) return SCMP_CMP_MASKED_EQ;
    switch (condition.comparison) {
        case Comparison::kEqual:
            return SCMP_CMP_EQ;
        case Comparison::kNotEqual:
            return SCMP_CMP_NE;
        case Comparison::kLess:
            return SCMP_CMP_LT;
        case Comparison::kLessOrEqual:
            return SCMP_CMP_LE;
        case Comparison::kGreater:
            return SCMP_CMP_GT;
        case Comparison::kGreaterOrEqual:
            return SCMP_CMP_GE;
    }
    __builtin_unreachable();
}

scmp_arg_cmp argument_of(const Condition& condition) {
    const bool is_masked = condition.mask != UINT64_MAX;
    return {.arg = condition.argument,
            .op = comparison_of(condition),
            .datum_a = is_masked ? condition.mask : condition.value,
            .datum_b = is_masked ? condition.value : 0};
}

Result<> add_rule(void* filter, const Rule& rule) {
    std::vector<scmp_arg_cmp> arguments;
    for (const Condition& condition : rule.conditions) arguments.push_back(argument_of(condition));
    const int error =
        ::seccomp_rule_add_exact_array(filter, SCMP_ACT_ALLOW, rule.number,
                                       static_cast<unsigned>(arguments.size()), arguments.data());
    // A line of a call without conditions stands for those with some too.
    if (error == 0 || error == -EEXIST) return Ok{};
    return Error{"line", -error, "libseccomp does not take it", rule.line};
}

// What seccomp_export_bpf(3) writes to a file.
Result<std::string> exported(void* filter) {
    const UniqueFd file(::memfd_create("filter", MFD_CLOEXEC));
    if (!file) return Error::from_errno("memfd_create");
    if (const int error = ::seccomp_export_bpf(filter, file.get()); error < 0)
        return Error{"seccomp_export_bpf", -error};
    std::string bytes(static_cast<size_t>(std::max<off_t>(0, ::lseek(file.get(), 0, SEEK_END))), 0);
    if (::pread(file.get(), bytes.data(), bytes.size(), 0) != std::ssize(bytes))
        return Error::from_errno("read the filter");
    return bytes;
}

Result<std::string> compile_role(const RolePolicy& role) {
    const Filter filter(::seccomp_init(SCMP_ACT_TRAP));
    if (filter == nullptr) return Error{"seccomp_init", ENOMEM};
    // A binary tree: when a filter is installed, the kernel walks it once for each of 900 calls.
    constexpr uint32_t kTree = 2;
    if (const int error = ::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, kTree);
        error < 0)
        return Error{"seccomp_attr_set", -error};
    // A thread alone would leave the others to it.
    if (const int error =
            ::seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
        error < 0)
        return Error{"seccomp_attr_set", -error};
    for (const Rule& rule : role.rules) TRY(add_rule(filter.get(), rule));
    constexpr size_t kHighest = 255;
    for (size_t i = role.rules.size(); i > 0; --i) {
        const auto priority = static_cast<uint8_t>(kHighest - std::min(i - 1, kHighest));
        ::seccomp_syscall_priority(filter.get(), role.rules[i - 1].number, priority);
    }
    return exported(filter.get());
}

template <typename T>
void append(std::string& to, const T& object) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): its bytes.
    to.append(reinterpret_cast<const char*>(&object), sizeof(object));
}

}  // namespace

Result<std::string> compile(std::span<const RolePolicy> roles) {
    std::string file;
    append(file, filter_file::kMagic);
    for (const RolePolicy& role : roles) {
        const std::string program = TRY(compile_role(role));
        filter_file::Header header{
            .role = {}, .count = static_cast<uint32_t>(program.size() / sizeof(sock_filter))};
        std::ranges::copy(role.name, header.role.begin());
        append(file, header);
        file += program;
    }
    return file;
}

std::string system_call_names() {
    constexpr int kCalls = 512;  // from there on x32 has its own
    std::string names;
    for (int number = 0; number < kCalls; ++number) {
        char* const name = ::seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, number);
        if (name != nullptr) names += name;
        names.push_back('\0');
        std::free(name);  // NOLINT(cppcoreguidelines-no-malloc): libseccomp's
    }
    // No name behind the last needs its zero.
    names.erase(names.find_last_not_of('\0') + 2);
    return names;
}
