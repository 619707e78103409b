// Any text as a policy: refused with a line, or compiled.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "monitor/policy/compiler.hpp"
#include "monitor/policy/policy.hpp"

// LeakSanitizer's, where there is one.
// NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" [[gnu::weak]] void __lsan_disable();
extern "C" [[gnu::weak]] void __lsan_enable();
// NOLINTEND(bugprone-reserved-identifier)

namespace {

// libseccomp 2.5 loses nodes of its tree when a later rule makes an earlier one needless: some
// bytes for each such rule, once in a process.
void compile_and_forget(std::span<const RolePolicy> roles) {
    if (__lsan_disable != nullptr) __lsan_disable();
    static_cast<void>(compile(roles));
    if (__lsan_enable != nullptr) __lsan_enable();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Policy policy;
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    const auto added = policy.add({reinterpret_cast<const char*>(data), size});
    if (!added.ok()) {
        if (!added.error().value.has_value()) std::abort();
        return 0;
    }
    const auto roles = policy.roles();
    for (const RolePolicy& role : roles)
        if (role.name.empty() || role.name.size() > Policy::kMaxRoleName) std::abort();
    // libseccomp takes a while for many rules.
    constexpr size_t kEnough = 2048;
    if (size <= kEnough) compile_and_forget(roles);
    return 0;
}
