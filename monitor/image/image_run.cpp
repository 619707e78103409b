#include "monitor/image/image_run.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string_view>

#include "abi/settings.hpp"
#include "abi/version.hpp"
#include "base/io_control.hpp"
#include "base/read_all.hpp"
#include "base/unique_fd.hpp"
#include "monitor/boot/command_line.hpp"
#include "monitor/image/cpio.hpp"
#include "monitor/image/environment.hpp"

namespace {

constexpr size_t kMaxHostnameBytes = 64;  // Linux, __NEW_UTS_LEN
constexpr size_t kSeedBytes = 32;

// PREFIX/lib/mayfly/NAME, where the program itself is PREFIX/bin/mayfly.
Result<std::string> companion(const char* name) {
    std::array<char, PATH_MAX> self{};
    const ssize_t size = ::readlink("/proc/self/exe", self.data(), self.size());
    if (size < 0) return Error::from_errno("readlink").about("/proc/self/exe");
    std::string path(self.data(), static_cast<size_t>(size));
    for (int levels = 0; levels < 2; ++levels) path.erase(std::min(path.rfind('/'), path.size()));
    return path.append("/lib/mayfly/").append(name);
}

Result<std::string> read_init() {
    const std::string path = TRY(companion("init"));
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd)
        return Error{"the guest's init", errno,
                     "is installed as lib/mayfly/init beside the program's bin"}
            .about("--image");
    auto bytes = read_all(fd.get());
    if (!bytes.ok()) return bytes.error().about("lib/mayfly/init");
    return bytes;
}

Result<std::string> random_seed() {
    std::array<unsigned char, kSeedBytes> bytes{};
    if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
        return Error::from_errno("getrandom");
    std::string digits;
    for (const unsigned char byte : bytes) {
        constexpr char kDigits[] = "0123456789abcdef";
        digits.push_back(kDigits[byte >> 4]);
        digits.push_back(kDigits[byte & 15]);
    }
    return digits;
}

// A terminal that does not tell its size is what a VT100 is.
std::string terminal_size() {
    winsize size{};
    if (io_control(STDIN_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0)
        size = {.ws_row = 24, .ws_col = 80};
    return std::to_string(size.ws_row) + "x" + std::to_string(size.ws_col);
}

Result<std::vector<std::string>> variables_of(const ImageRun& run) {
    // No other thread changes the environment: NOLINTNEXTLINE(concurrency-mt-unsafe)
    const FindVariable find = [](const char* name) -> const char* { return ::getenv(name); };
    std::vector<std::string> variables;
    for (const std::string& path : run.environment_files)
        TRY(read_environment(path, find, variables));
    for (const std::string& setting : run.environment)
        variables.push_back(TRY(resolve_variable(setting, find)));
    return variables;
}

bool is_hostname(const std::string& name) {
    return !name.empty() && name.size() <= kMaxHostnameBytes &&
           std::ranges::all_of(name, [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '.';
           });
}

}  // namespace

Result<> validate(const ImageRun& run) {
    if (run.image_path.empty()) return Error{"--image", 0, "needs a file's name"};
    for (const std::string& variable : run.environment)
        if (variable.empty() || variable.front() == '=')
            return Error{"--env", 0, "is neither NAME=VALUE nor NAME"}.about(variable);
    if (run.working_directory.has_value() && !run.working_directory->starts_with('/'))
        return Error{"--workdir", 0, "is not an absolute path"}.about(
            run.working_directory->c_str());
    if (run.user.has_value() && (run.user->empty() || run.user->starts_with(':')))
        return Error{"--user", 0, "is not USER or USER:GROUP"}.about(*run.user);
    if (run.hostname.has_value() && !is_hostname(*run.hostname))
        return Error{"--hostname", 0, "takes 1 to 64 letters, digits, '-' and '.'"}.about(
            run.hostname->c_str());
    return Ok{};
}

std::string run_file(const ImageRun& run, const RunContext& context) {
    std::string text;
    const auto add = [&text](std::string_view key, std::string_view value) {
        text.append(key).append("=").append(value).push_back('\0');
    };
    add(guest_abi::kVersionKey, std::to_string(guest_abi::kVersion));
    for (const std::string& argument : run.arguments) add(guest_abi::kArgumentKey, argument);
    for (const std::string& variable : context.variables) add(guest_abi::kVariableKey, variable);
    if (run.working_directory.has_value()) add(guest_abi::kFolderKey, *run.working_directory);
    if (run.user.has_value()) add(guest_abi::kUserKey, *run.user);
    if (run.hostname.has_value()) add(guest_abi::kHostnameKey, *run.hostname);
    if (run.access == ImageAccess::kReadWrite) add(guest_abi::kRootKey, guest_abi::kRootReadWrite);
    if (run.terminal == TerminalWanted::kYes) add(guest_abi::kTerminalKey, context.terminal_size);
    add(guest_abi::kClockKey, std::to_string(context.clock_seconds));
    add(guest_abi::kSeedKey, context.seed);
    return text;
}

Result<> apply(const ImageRun& run, Config& config) {
    TRY(validate(run));
    std::vector<std::string> variables = TRY(variables_of(run));
    if (config.boot.kernel_path.empty()) {
        config.boot.kernel_path = TRY(companion("vmlinux"));
        if (::access(config.boot.kernel_path.c_str(), R_OK) != 0)
            return Error{"no kernel for guests is installed (lib/mayfly/vmlinux)", errno,
                         "build it with `cmake --build build/release --target kernel`, or give "
                         "--kernel"}
                .about("--image");
    }
    if (config.shape.command_line.empty()) config.shape.command_line = kImageLine;
    const DiskAccess access =
        run.access == ImageAccess::kReadWrite ? DiskAccess::kReadWrite : DiskAccess::kReadOnly;
    config.add(DriveConfig{.shape = {.id = "image", .access = access, .partuuid = {}},
                           .host = {.path = run.image_path, .is_image = true}});
    config.move_to_front(config.shape.drives.size() - 1);
    RunContext context{.clock_seconds = static_cast<uint64_t>(::time(nullptr)),
                       .seed = TRY(random_seed()),
                       .variables = std::move(variables)};
    if (run.terminal == TerminalWanted::kYes) context.terminal_size = terminal_size();
    CpioArchive archive;
    archive.add_file("init", 0755, TRY(read_init()));
    archive.add_file(&guest_abi::kRunFile[1], 0600, run_file(run, context));
    config.boot.initrd_appended = archive.finish();
    return Ok{};
}
