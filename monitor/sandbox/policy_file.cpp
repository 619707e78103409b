#include "monitor/sandbox/policy_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <span>
#include <spawn.h>
#include <string>
#include <string_view>

#include "base/read_all.hpp"
#include "base/unique_fd.hpp"
#include "monitor/sandbox/filter_file.hpp"

namespace {

bool is_compiled(std::string_view text) {
    return text.starts_with(
        std::string_view(filter_file::kMagic.data(), filter_file::kMagic.size()));
}

Result<std::string> compiler_path() {
    std::array<char, 4096> self{};
    const ssize_t length = ::readlink("/proc/self/exe", self.data(), self.size());
    if (length <= 0 || length == std::ssize(self))
        return Error::from_errno("find mayfly-policy", "compile the policy beforehand with it");
    const std::string path(self.data(), static_cast<size_t>(length));
    return path.substr(0, path.rfind('/') + 1) + "mayfly-policy";
}

Result<std::string> compile(const char* path) {
    const std::string compiler = TRY(compiler_path());
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return Error::from_errno("pipe");
    const UniqueFd from(ends[0]);
    UniqueFd to(ends[1]);

    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, to.get(), STDOUT_FILENO);
    std::array<const char*, 4> arguments{"mayfly-policy", "compile", path, nullptr};
    pid_t child = -1;
    const int error = ::posix_spawn(&child, compiler.c_str(), &actions, nullptr,
                                    const_cast<char* const*>(arguments.data()), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0)
        return Error{"run mayfly-policy", error,
                     "it has to stand beside mayfly, or the policy to be compiled beforehand"};
    to = UniqueFd();
    auto filters = read_all(from.get());
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return Error{"policy", 0, "mayfly-policy could not compile it"};
    return filters;
}

}  // namespace

Result<std::vector<std::byte>> read_compiled_policy(const char* path) {
    const UniqueFd file(::open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (!file) return Error::from_errno("open");
    std::string text = TRY(read_all(file.get()));
    if (!is_compiled(text)) text = TRY(compile(path));
    const auto bytes = std::as_bytes(std::span(text));
    return std::vector<std::byte>(bytes.begin(), bytes.end());
}
