#include "rootfs/mkimage/staging_tree.hpp"

#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstring>
#include <fts.h>
#include <memory>

#include "rootfs/mkimage/open_in_root.hpp"

namespace {

struct SplitPath {
    std::string parent;
    std::string name;
};

SplitPath split(const std::string& path) {
    const size_t slash = path.rfind('/');
    if (slash == std::string::npos) return {"", path};
    return {path.substr(0, slash), path.substr(slash + 1)};
}

std::string joined(const std::string& folder, const std::string& name) {
    return folder.empty() ? name : folder + "/" + name;
}

std::array<timespec, 2> times_of(const timespec& modified) {
    return {modified, modified};
}

// Sets what is from `first` to `last`, one after the other. `path` may be a symbolic link itself.
template <typename Iterator>
Result<> set_in_order(const std::string& path, Iterator first, Iterator last) {
    for (; first != last; ++first)
        if (::lsetxattr(path.c_str(), first->first.c_str(), first->second.data(),
                        first->second.size(), 0) != 0)
            return Error::from_errno("extended attribute",
                                     "the file system that it is unpacked to does not take it; "
                                     "without root there is no such limit");
    return Ok{};
}

// As the tools that make images will get them.
std::string list_xattrs(const std::string& path) {
    std::array<char, 65536> names{};
    const ssize_t length = ::llistxattr(path.c_str(), names.data(), names.size());
    return {names.data(), length > 0 ? static_cast<size_t>(length) : 0};
}

// Tools write attributes in the order that the file system lists them in, and some list the last
// first (tmpfs, fakeroot). The image shall not depend on that: the order is by name wherever one
// of the two ways to set them leads to it.
Result<> set_xattrs(const std::string& path, const Attributes& attributes) {
    const auto& xattrs = attributes.xattrs;
    TRY(set_in_order(path, xattrs.begin(), xattrs.end()));
    if (xattrs.size() < 2) return Ok{};
    std::string by_name;
    for (const auto& [name, value] : xattrs) by_name.append(name).push_back('\0');
    if (list_xattrs(path) == by_name) return Ok{};
    for (const auto& [name, value] : xattrs) ::lremovexattr(path.c_str(), name.c_str());
    return set_in_order(path, xattrs.rbegin(), xattrs.rend());
}

// What a folder has of its parent's default access list, or of a layer below.
void clear_xattrs(const std::string& path) {
    const std::string names = list_xattrs(path);
    for (size_t at = 0; at < names.size(); at += std::strlen(&names[at]) + 1)
        ::lremovexattr(path.c_str(), &names[at]);
}

// All but extended attributes, which come last: chown takes capabilities away. And it takes setuid
// away, so it comes before chmod.
Result<> set_attributes(int fd, const Attributes& attributes) {
    if (::fchown(fd, attributes.owner, attributes.group) != 0) return Error::from_errno("chown");
    if (::fchmod(fd, attributes.mode) != 0) return Error::from_errno("chmod");
    if (::futimens(fd, times_of(attributes.modified).data()) != 0)
        return Error::from_errno("time of modification");
    return Ok{};
}

}  // namespace

Result<StagingTree> StagingTree::create(const std::string& path) {
    if (::mkdir(path.c_str(), 0755) != 0) return Error::from_errno("mkdir");
    UniqueFd root(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!root) return Error::from_errno("open");
    StagingTree tree(std::move(root));
    clear_xattrs(tree.path_);
    return tree;
}

Result<UniqueFd> StagingTree::resolve(const std::string& path, uint64_t flags) const {
    UniqueFd fd = open_in_root(root_.get(), path.empty() ? "." : path.c_str(), flags);
    if (!fd) return Error::from_errno("open");
    return fd;
}

// The path without links that `fd` was reached by. Bounds the depth of the tree: links may lead
// ever deeper, and the tools that walk the tree use paths.
Result<std::string> StagingTree::place_of(int fd) const {
    constexpr size_t kAbove = 512;  // for the way to the tree, which is not always in the link
    constexpr size_t kMost = PATH_MAX - NAME_MAX - 2 - kAbove;
    std::array<char, PATH_MAX> whole{};
    std::array<char, PATH_MAX> root{};
    const auto read_link = [](int of, std::array<char, PATH_MAX>& to) {
        const std::string link = "/proc/self/fd/" + std::to_string(of);
        return ::readlink(link.c_str(), to.data(), to.size());
    };
    const ssize_t length = read_link(fd, whole);
    const ssize_t start = read_link(root_.get(), root);
    if (length < 0 || start < 0) return Error::from_errno("path", "/proc must be mounted");
    if (static_cast<size_t>(length) >= kMost) return Error{"path", ENAMETOOLONG};
    const std::string_view place(whole.data(), static_cast<size_t>(length));
    return std::string(place.substr(std::min(place.size(), static_cast<size_t>(start) + 1)));
}

// Makes what is missing of the folders of `path`. What is there may lead through links; what is
// made does not.
Result<> StagingTree::make_folders(const std::string& path) {
    size_t end = path.size();
    auto there = resolve(path, O_PATH | O_DIRECTORY);
    while (!there.ok() && there.error().code == ENOENT && end > 0) {
        const size_t slash = path.rfind('/', end - 1);
        end = slash == std::string::npos ? 0 : slash;
        there = resolve(path.substr(0, end), O_PATH | O_DIRECTORY);
    }
    UniqueFd folder = TRY(std::move(there));
    while (end < path.size()) {
        const size_t start = end == 0 ? 0 : end + 1;
        end = std::min(path.find('/', start), path.size());
        folder = TRY(make_folder(folder, path.substr(start, end - start)));
    }
    return Ok{};
}

Result<UniqueFd> StagingTree::make_folder(const UniqueFd& parent, const std::string& name) {
    TRY(place_of(parent.get()));  // no deeper than it can be
    if (::mkdirat(parent.get(), name.c_str(), 0755) != 0)
        return errno == EEXIST ? Error{"path", 0, "leads through a symbolic link to nothing"}
                               : Error::from_errno("mkdir");
    ++implied_folders_;
    UniqueFd folder(
        ::openat(parent.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!folder) return Error::from_errno("open");
    clear_xattrs(descriptor_path(folder.get()) + "/.");
    TRY(set_attributes(folder.get(), {.mode = 0755}));
    TRY(note_time(folder.get(), {}));
    return folder;
}

Result<> StagingTree::note_time(int folder, const timespec& modified) {
    struct stat status {};
    if (::fstat(folder, &status) != 0) return Error::from_errno("stat");
    folder_times_[status.st_ino] = modified;
    return Ok{};
}

Result<const StagingTree::Parent*> StagingTree::parent_of(const std::string& path,
                                                          Missing missing) {
    if (last_path_ == path) return &last_;
    auto folder = resolve(path, O_PATH | O_DIRECTORY);
    if (!folder.ok() && folder.error().code == ENOENT && missing == Missing::kMake) {
        TRY(make_folders(path));
        folder = resolve(path, O_PATH | O_DIRECTORY);
    }
    if (!folder.ok()) return folder.error();
    std::string place = TRY(place_of(folder.value().get()));
    last_ = {std::move(folder).value(), std::move(place)};
    last_path_ = path;
    return &last_;
}

Result<> StagingTree::clear_way(const Parent& parent, const std::string& name) {
    struct stat status {};
    if (::fstatat(parent.folder.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? Result<>(Ok{}) : Error::from_errno("stat");
    if (!S_ISDIR(status.st_mode) && !S_ISLNK(status.st_mode)) {
        if (::unlinkat(parent.folder.get(), name.c_str(), 0) != 0)
            return Error::from_errno("remove");
        return Ok{};
    }
    // The parent that is remembered may be in there, or reached through the link.
    last_path_.reset();
    return remove_at(joined(parent.place, name), [](const std::string&) { return false; });
}

Result<std::string> StagingTree::put_folder(const std::string& path, const Attributes& attributes) {
    UniqueFd folder;
    std::string place;
    if (path.empty()) {
        folder = TRY(resolve("", O_RDONLY | O_DIRECTORY));
    } else {
        const SplitPath to = split(path);
        const Parent& parent = *TRY(parent_of(to.parent, Missing::kMake));
        constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
        folder = UniqueFd(::openat(parent.folder.get(), to.name.c_str(), kFlags));
        if (!folder && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)) {
            TRY(clear_way(parent, to.name));
            if (::mkdirat(parent.folder.get(), to.name.c_str(), 0755) != 0)
                return Error::from_errno("mkdir");
            folder = UniqueFd(::openat(parent.folder.get(), to.name.c_str(), kFlags));
        }
        place = joined(parent.place, to.name);
    }
    if (!folder) return Error::from_errno("open");
    const std::string whole = place.empty() ? path_ : joined(path_, place);
    clear_xattrs(whole);
    has_default_acls_ |= std::ranges::any_of(attributes.xattrs, [](const auto& xattr) {
        return xattr.first == "system.posix_acl_default";
    });
    TRY(set_attributes(folder.get(), attributes));
    TRY(set_xattrs(whole, attributes));
    TRY(note_time(folder.get(), attributes.modified));
    return place;
}

Result<StagingTree::NewFile> StagingTree::put_file(const std::string& path) {
    const SplitPath to = split(path);
    const Parent& parent = *TRY(parent_of(to.parent, Missing::kMake));
    TRY(clear_way(parent, to.name));
    UniqueFd file(::openat(parent.folder.get(), to.name.c_str(),
                           O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) return Error::from_errno("create");
    return NewFile{std::move(file), joined(parent.place, to.name)};
}

Result<> StagingTree::finish_file(const NewFile& file, const Attributes& attributes) {
    clear_inherited(file.place);
    TRY(set_attributes(file.file.get(), attributes));
    return set_xattrs(joined(path_, file.place), attributes);
}

// Of a folder's default access list, what is made in it gets one of its own.
void StagingTree::clear_inherited(const std::string& place) const {
    if (has_default_acls_) ::lremovexattr(joined(path_, place).c_str(), "system.posix_acl_access");
}

// What cannot be opened is named by way of its folder.
Result<std::string> StagingTree::finish_special(const Parent& parent, const std::string& name,
                                                const Attributes& attributes, bool has_mode) {
    const int folder = parent.folder.get();
    clear_inherited(joined(parent.place, name));
    if (::fchownat(folder, name.c_str(), attributes.owner, attributes.group, AT_SYMLINK_NOFOLLOW) !=
        0)
        return Error::from_errno("chown");
    if (has_mode && ::fchmodat(folder, name.c_str(), attributes.mode, 0) != 0)
        return Error::from_errno("chmod");
    const std::string place = joined(parent.place, name);
    TRY(set_xattrs(joined(path_, place), attributes));
    if (::utimensat(folder, name.c_str(), times_of(attributes.modified).data(),
                    AT_SYMLINK_NOFOLLOW) != 0)
        return Error::from_errno("time of modification");
    return place;
}

Result<std::string> StagingTree::put_symlink(const std::string& path, const std::string& target,
                                             const Attributes& attributes) {
    const SplitPath to = split(path);
    const Parent& parent = *TRY(parent_of(to.parent, Missing::kMake));
    TRY(clear_way(parent, to.name));
    if (::symlinkat(target.c_str(), parent.folder.get(), to.name.c_str()) != 0)
        return Error::from_errno("symbolic link");
    return finish_special(parent, to.name, attributes, false);
}

Result<std::string> StagingTree::put_node(const std::string& path, mode_t type, dev_t device,
                                          const Attributes& attributes) {
    const SplitPath to = split(path);
    const Parent& parent = *TRY(parent_of(to.parent, Missing::kMake));
    TRY(clear_way(parent, to.name));
    if (::mknodat(parent.folder.get(), to.name.c_str(), type | 0600U, device) != 0)
        return Error::from_errno("device node",
                                 "root may not make it here; as an ordinary user it is not needed");
    return finish_special(parent, to.name, attributes, true);
}

Result<std::string> StagingTree::put_hard_link(const std::string& path, const std::string& target) {
    const SplitPath from = split(target);
    const auto source = resolve(from.parent, O_PATH | O_DIRECTORY);
    const int folder = source.ok() ? source.value().get() : -1;
    struct stat old {};
    if (folder < 0 || ::fstatat(folder, from.name.c_str(), &old, AT_SYMLINK_NOFOLLOW) != 0)
        return Error{"hard link", ENOENT, "what it links to is not in the archive before it"};
    if (S_ISDIR(old.st_mode)) return Error{"hard link", 0, "links to a folder"};

    const SplitPath to = split(path);
    const Parent& parent = *TRY(parent_of(to.parent, Missing::kMake));
    struct stat there {};
    const bool is_same =
        ::fstatat(parent.folder.get(), to.name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0 &&
        there.st_ino == old.st_ino;
    if (!is_same) {
        TRY(clear_way(parent, to.name));
        if (::linkat(folder, from.name.c_str(), parent.folder.get(), to.name.c_str(), 0) != 0)
            return Error::from_errno("hard link");
    }
    return joined(parent.place, to.name);
}

Result<> StagingTree::remove(const std::string& path, const IsKept& is_kept) {
    const SplitPath from = split(path);
    const auto parent = parent_of(from.parent, Missing::kError);
    if (!parent.ok()) {
        const int code = parent.error().code;
        return code == ENOENT || code == ENOTDIR ? Result<>(Ok{}) : parent.error();
    }
    const std::string place = joined(parent.value()->place, from.name);
    last_path_.reset();
    return remove_at(place, is_kept);
}

Result<> StagingTree::empty(const std::string& path, const IsKept& is_kept) {
    const auto folder = resolve(path, O_PATH | O_DIRECTORY);
    if (!folder.ok()) return Ok{};
    const std::string place = TRY(place_of(folder.value().get()));
    last_path_.reset();
    return remove_at(place, [&](const std::string& it) { return it == place || is_kept(it); });
}

// `place` has no links on its way. Kept folders are looked into: what is in them may have to go.
Result<> StagingTree::remove_at(const std::string& place, const IsKept& is_kept) {
    std::string whole = joined(path_, place);
    std::array<char*, 2> roots{whole.data(), nullptr};
    const std::unique_ptr<FTS, int (*)(FTS*)> walk(
        ::fts_open(roots.data(), FTS_PHYSICAL | FTS_NOCHDIR, nullptr), &::fts_close);
    if (walk == nullptr) return Error::from_errno("remove");
    while (FTSENT* const entry = ::fts_read(walk.get())) {
        if (entry->fts_info == FTS_D) continue;
        if (entry->fts_info == FTS_NS && entry->fts_errno == ENOENT) continue;
        const std::string it = entry->fts_path + path_.size();
        if (is_kept(it.empty() ? it : it.substr(1))) continue;
        const int flags = entry->fts_info == FTS_DP ? AT_REMOVEDIR : 0;
        if (::unlinkat(AT_FDCWD, entry->fts_path, flags) != 0) return Error::from_errno("remove");
    }
    return Ok{};
}

Result<> StagingTree::settle_times() {
    std::array<char*, 2> roots{path_.data(), nullptr};
    const std::unique_ptr<FTS, int (*)(FTS*)> walk(
        ::fts_open(roots.data(), FTS_PHYSICAL | FTS_NOCHDIR, nullptr), &::fts_close);
    if (walk == nullptr) return Error::from_errno("walk");
    while (FTSENT* const entry = ::fts_read(walk.get())) {
        if (entry->fts_info == FTS_ERR || entry->fts_info == FTS_DNR)
            return Error{"walk", entry->fts_errno};
        if (entry->fts_info != FTS_D) continue;
        const auto known = folder_times_.find(entry->fts_statp->st_ino);
        const timespec modified = known == folder_times_.end() ? timespec{} : known->second;
        if (::utimensat(AT_FDCWD, entry->fts_path, times_of(modified).data(), 0) != 0)
            return Error::from_errno("time of modification");
    }
    return Ok{};
}
