// Any text as a policy: refused with a line, or compiled.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "monitor/policy/compiler.hpp"
#include "monitor/policy/policy.hpp"

// libseccomp 2.5 loses nodes of its tree when a later rule makes an earlier one needless: some
// bytes for each such rule, once in a process. zmalloc is its allocator, and nobody else's here.
extern "C" const char* __lsan_default_suppressions() {  // NOLINT(bugprone-reserved-identifier)
    return "leak:zmalloc";
}

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
    if (size <= kEnough) static_cast<void>(compile(roles));
    return 0;
}
