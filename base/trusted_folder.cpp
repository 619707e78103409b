#include "base/trusted_folder.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <string_view>

namespace {

constexpr int kOpenFlags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
constexpr int kMostLinks = 40;  // as Linux has it
constexpr const char* kOthersWrite =
    "others may write there; name a folder that belongs to you or root, and nobody else may write";

enum class Way { kFollowed, kMade };

bool is_ours(const struct stat& status) {
    return status.st_uid == 0 || status.st_uid == ::geteuid();
}

// Access control lists need no look of their own: with one, the group's bits are their mask.
bool others_may_write(const struct stat& status) {
    return (status.st_mode & (S_IWGRP | S_IWOTH)) != 0;
}

Result<FolderFound> open_start(const char* path) {
    FolderFound at{UniqueFd(::open(path, kOpenFlags | O_DIRECTORY))};
    if (!at.folder || ::fstat(at.folder.get(), &at.status) != 0)
        return Error::from_errno("open").about(path);
    return at;
}

Result<FolderFound> open_root() {
    FolderFound root = TRY(open_start("/"));
    root.is_way_trusted = true;
    return root;
}

std::string_view take_name(std::string_view& path) {
    const std::string_view name = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(path.size(), name.size() + 1));
    return name;
}

Result<UniqueFd> open_next(const FolderFound& at, const std::string& name, Way way) {
    const int folder = at.folder.get();
    UniqueFd next(::openat(folder, name.c_str(), kOpenFlags));
    if (next || errno != ENOENT || way == Way::kFollowed) return next;
    if (::mkdirat(folder, name.c_str(), 0755) != 0 && errno != EEXIST)
        return Error::from_errno("mkdir", "name a folder that may be written");
    return UniqueFd(::openat(folder, name.c_str(), kOpenFlags));
}

// From `at` along a path. A link's target is put before what is left of it.
class Walk {
public:
    Walk(FolderFound at, Way way) : at_(std::move(at)), way_(way) {}

    Result<FolderFound> along(std::string path) {
        for (std::string_view rest = path; !rest.empty();) {
            const std::string name(take_name(rest));
            if (name.empty() || name == ".") continue;
            if (way_ == Way::kMade && !at_.keeps_our_names())
                return Error{"folder", EPERM, kOthersWrite};
            UniqueFd next = TRY(open_next(at_, name, way_));
            struct stat status {};
            if (!next || ::fstat(next.get(), &status) != 0) return Error::from_errno("open");
            const bool is_trusted = at_.is_trusted() || (at_.keeps_our_names() && is_ours(status));
            if (S_ISLNK(status.st_mode)) {
                path = TRY(target_of(next, is_trusted)) + "/" + std::string(rest);
                if (path.front() == '/') at_ = TRY(open_root());
                rest = path;
                continue;
            }
            if (!S_ISDIR(status.st_mode)) return Error{"open", ENOTDIR};
            at_ = {std::move(next), status, is_trusted};
        }
        return std::move(at_);
    }

private:
    Result<std::string> target_of(const UniqueFd& link, bool is_trusted) {
        if (way_ == Way::kMade)
            return Error{"folder", ELOOP, "is a link; name the folder that it leads to"};
        if (!is_trusted)
            return Error{"folder", ELOOP,
                         "is a link in a folder that others may write; name what it leads to"};
        std::array<char, PATH_MAX> target{};
        const ssize_t length = ::readlinkat(link.get(), "", target.data(), target.size());
        if (length <= 0 || ++links_ > kMostLinks) return Error{"open", ELOOP};
        return std::string(target.data(), static_cast<size_t>(length));
    }

    FolderFound at_;
    Way way_;
    int links_ = 0;
};

// Where a relative path begins. Whether others can move it shows on the way to it from the root.
Result<FolderFound> open_working_folder() {
    FolderFound here = TRY(open_start("."));
    std::array<char, PATH_MAX> path{};
    if (::getcwd(path.data(), path.size()) == nullptr || path[0] != '/') return here;
    auto found = Walk(TRY(open_root()), Way::kFollowed).along(path.data());
    here.is_way_trusted = found.ok() && found.value().is_way_trusted &&
                          is_same_file(found.value().status, here.status);
    return here;
}

Result<FolderFound> walk(const std::string& path, Way way) {
    FolderFound start = TRY(path.starts_with('/') ? open_root() : open_working_folder());
    auto found = Walk(std::move(start), way).along(path);
    if (!found.ok()) return found.error().about(path);
    return found;
}

}  // namespace

bool is_same_file(const struct stat& one, const struct stat& other) {
    return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

bool FolderFound::is_trusted() const {
    return is_way_trusted && is_ours(status) && !others_may_write(status);
}

bool FolderFound::keeps_our_names() const {
    return is_way_trusted && is_ours(status) &&
           (!others_may_write(status) || (status.st_mode & S_ISVTX) != 0);
}

Result<FolderFound> find_folder(const std::string& path) {
    return walk(path, Way::kFollowed);
}

Result<FolderFound> find_folder_from(FolderFound start, const std::string& path) {
    if (path.starts_with('/')) return find_folder(path);
    auto found = Walk(std::move(start), Way::kFollowed).along(path);
    if (!found.ok()) return found.error().about(path);
    return found;
}

Result<UniqueFd> make_trusted_folder(const std::string& path) {
    FolderFound found = TRY(walk(path, Way::kMade));
    if (!found.is_trusted()) return Error{"folder", EPERM, kOthersWrite}.about(path);
    return std::move(found.folder);
}
