#include "jailer/files.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <dirent.h>
#include <memory>
#include <vector>

#include "base/unique_fd.hpp"

Result<> write_file(int folder, const char* path, std::string_view text) {
    const UniqueFd file(::openat(folder, path, O_WRONLY | O_CLOEXEC | O_NOCTTY));
    if (!file) return Error::from_errno("open").about(path);
    if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        return Error::from_errno("write").about(path);
    return Ok{};
}

Result<std::string> read_file(int folder, const char* path) {
    constexpr size_t kMaxBytes = 1 << 20;
    const UniqueFd file(::openat(folder, path, O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (!file) return Error::from_errno("open").about(path);
    std::string text;
    std::array<char, 4096> piece{};
    for (;;) {
        const ssize_t count = ::read(file.get(), piece.data(), piece.size());
        if (count < 0) return Error::from_errno("read").about(path);
        if (count == 0) return text;
        text.append(piece.data(), static_cast<size_t>(count));
        if (text.size() > kMaxBytes) return Error{"read", EFBIG}.about(path);
    }
}

Result<> close_all_but(std::vector<int> kept) {
    std::ranges::sort(kept);
    const auto end = std::unique(kept.begin(), kept.end());  // Clang 14 has no ranges::unique
    kept.erase(end, kept.end());
    unsigned first = 0;
    for (const int fd : kept) {
        const auto number = static_cast<unsigned>(fd);
        if (number > first && ::syscall(SYS_close_range, first, number - 1, 0) != 0)
            return Error::from_errno("close_range", "Linux 5.9 or newer is needed");
        first = number + 1;
    }
    if (::syscall(SYS_close_range, first, UINT_MAX, 0) != 0)
        return Error::from_errno("close_range", "Linux 5.9 or newer is needed");
    return Ok{};
}

void remove_tree(int parent, const char* name) {
    if (::unlinkat(parent, name, 0) == 0 || errno == ENOENT) return;
    const open_how how{.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
                       .mode = 0,
                       .resolve = RESOLVE_NO_XDEV};
    const auto folder = static_cast<int>(::syscall(SYS_openat2, parent, name, &how, sizeof(how)));
    if (folder < 0) return;
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(folder), &::closedir);
    if (stream == nullptr) return;
    std::vector<std::string> names;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this call's own
    while (const dirent* const entry = ::readdir(stream.get())) names.emplace_back(entry->d_name);
    for (const std::string& it : names)
        if (it != "." && it != "..") remove_tree(folder, it.c_str());
    ::unlinkat(parent, name, AT_REMOVEDIR);
}
