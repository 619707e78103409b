#include "monitor/sandbox/policy_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <spawn.h>
#include <string>

#include "base/unique_fd.hpp"
#include "monitor/sandbox/filter_file.hpp"

namespace {

constexpr size_t kMaxBytes = 1 << 20;

Result<std::vector<std::byte>> read_all(int fd) {
    std::vector<std::byte> bytes;
    std::array<std::byte, 4096> piece{};
    for (;;) {
        const ssize_t count = ::read(fd, piece.data(), piece.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return Error::from_errno("read");
        if (count == 0) return bytes;
        bytes.insert(bytes.end(), piece.begin(), piece.begin() + count);
        if (bytes.size() > kMaxBytes) return Error{"read", EFBIG, "a policy has less than 1 MiB"};
    }
}

bool is_compiled(std::span<const std::byte> bytes) {
    const auto magic = std::as_bytes(std::span(filter_file::kMagic));
    return bytes.size() >= magic.size() && std::ranges::equal(bytes.first(magic.size()), magic);
}

Result<std::string> compiler_path() {
    std::array<char, 4096> self{};
    const ssize_t length = ::readlink("/proc/self/exe", self.data(), self.size());
    if (length <= 0 || length == std::ssize(self))
        return Error::from_errno("find mayfly-policy", "compile the policy beforehand with it");
    const std::string path(self.data(), static_cast<size_t>(length));
    return path.substr(0, path.rfind('/') + 1) + "mayfly-policy";
}

Result<std::vector<std::byte>> compile(const char* path) {
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
    auto bytes = read_all(from.get());
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return Error{"policy", 0, "mayfly-policy could not compile it"};
    return bytes;
}

}  // namespace

Result<std::vector<std::byte>> read_compiled_policy(const char* path) {
    const UniqueFd file(::open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (!file) return Error::from_errno("open");
    auto bytes = TRY(read_all(file.get()));
    if (is_compiled(bytes)) return bytes;
    return compile(path);
}
