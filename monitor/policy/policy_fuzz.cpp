// Any text as a policy: refused with a line, or compiled.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "monitor/policy/compiler.hpp"
#include "monitor/policy/policy.hpp"

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
