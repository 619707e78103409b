#include "jailer/files.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <dirent.h>
#include <memory>
#include <vector>

#include "base/read_all.hpp"
#include "base/unique_fd.hpp"

Result<> write_file(int folder, const char* path, std::string_view text) {
    const UniqueFd file(::openat(folder, path, O_WRONLY | O_CLOEXEC | O_NOCTTY));
    if (!file) return Error::from_errno("open").about(path);
    if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        return Error::from_errno("write").about(path);
    return Ok{};
}

Result<std::string> read_file(int folder, const char* path) {
    const UniqueFd file(::openat(folder, path, O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (!file) return Error::from_errno("open").about(path);
    auto text = read_all(file.get());
    if (!text.ok()) return text.error().about(path);
    return text;
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
