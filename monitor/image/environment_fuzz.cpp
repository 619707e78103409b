// Environment files (--env-file) with anything in them. What is taken becomes records for the
// guest's init: each is a variable with a name, and none can be two.
#include <cstdint>
#include <cstdlib>

#include "monitor/image/environment.hpp"

namespace {

// Every second name is set.
const char* find(const char* name) {
    return (name[0] & 1) != 0 ? "value" : nullptr;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    std::vector<std::string> variables;
    static_cast<void>(parse_environment("file", text, find, variables));
    for (const std::string& variable : variables) {
        const size_t equals = variable.find('=');
        if (equals == 0 || equals == std::string::npos) __builtin_trap();
        if (variable.find_first_of("\n\0", 0, 2) != std::string::npos) __builtin_trap();
        if (variable.find_first_of(" \t\v\f\r") < equals) __builtin_trap();
        const auto again = resolve_variable(variable, find);
        if (!again.ok() || again.value() != variable) __builtin_trap();
    }
    return 0;
}
