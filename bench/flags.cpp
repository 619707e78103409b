#include "bench/flags.hpp"

#include <unistd.h>

#include "bench/program.hpp"

Result<uint64_t> number_of(const Options& options, const char* flag, uint64_t otherwise,
                           uint64_t least, uint64_t most) {
    const char* const text = options.get(flag);
    if (text == nullptr) return otherwise;
    auto number = parse_number(text, least, most);
    if (!number.ok()) return number.error().about(flag);
    return number;
}

namespace {

Result<std::string> usable_path(const Options& options, const char* flag, std::string_view name,
                                int mode) {
    const char* const text = options.get(flag);
    std::string path = text != nullptr ? text : TRY(beside_this_program(name));
    if (::access(path.c_str(), mode) != 0) return Error{flag, errno, "build it, or give its path"};
    return path;
}

}  // namespace

Result<std::string> path_of(const Options& options, const char* flag, std::string_view name) {
    return usable_path(options, flag, name, X_OK);
}

Result<std::string> file_of(const Options& options, const char* flag, std::string_view name) {
    return usable_path(options, flag, name, R_OK);
}

Result<> check_kvm() {
    if (::access("/dev/kvm", R_OK | W_OK) != 0)
        return Error::from_errno("/dev/kvm", "needs a host with KVM, and the right to use it");
    return Ok{};
}
