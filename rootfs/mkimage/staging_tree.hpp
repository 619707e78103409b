// The tree that archives are unpacked to, before a tool makes a file system of it. Names in it are
// hostile: every path is resolved by the kernel as if the tree were the root (RESOLVE_IN_ROOT), so
// no "..", absolute path or symbolic link leads out. Owners and device nodes are made as they are:
// by root, or under fakeroot. What Linux does by names alone, such as extended attributes of what
// cannot be opened, begins at the tree's descriptor too, so that it does not matter what becomes of
// the path that the tree was made at. Main thread; nobody else changes the tree.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "rootfs/mkimage/workplace.hpp"

struct Attributes {
    mode_t mode = 0;  // permissions alone
    uid_t owner = 0;
    gid_t group = 0;
    timespec modified{};
    std::vector<std::pair<std::string, std::string>> xattrs{};
};

class StagingTree {
public:
    // A new, empty folder at `path`, in a folder that nobody else can change.
    // Errors: as mkdir(2) and open(2).
    static Result<StagingTree> create(const std::string& path);

    // By its descriptor: good in this process, as long as the tree is open.
    const std::string& path() const { return path_; }

    // So many folders were made because they were on the way.
    uint64_t implied_folders() const { return implied_folders_; }

    Result<UniqueFd> open() const { return resolve("", O_RDONLY | O_DIRECTORY); }

    // What is in the way of one of these goes, except a folder in the way of a folder, which stays
    // with all that is in it. Folders that are missing on the way are made, root's and 0755.
    // `path` is relative; "" is the tree itself, which can only be a folder. Each returns the
    // place where it went: its path in the tree without links.
    Result<std::string> put_folder(const std::string& path, const Attributes& attributes);
    Result<std::string> put_symlink(const std::string& path, const std::string& target,
                                    const Attributes& attributes);
    Result<std::string> put_hard_link(const std::string& path, const std::string& target);
    Result<std::string> put_node(const std::string& path, mode_t type, dev_t device,
                                 const Attributes& attributes);

    // A new file to be written; its attributes are set by finish_file, as writing would change
    // them.
    struct NewFile {
        UniqueFd file;
        std::string place;
    };
    Result<NewFile> put_file(const std::string& path);
    Result<> finish_file(const NewFile& file, const Attributes& attributes);

    // Removes what `path` names, without following it, but for what `is_kept` says of places in
    // the tree. Nothing there is no error.
    using IsKept = std::function<bool(const std::string& place)>;
    Result<> remove(const std::string& path, const IsKept& is_kept);
    // The same for all that is in the folder `path`.
    Result<> empty(const std::string& path, const IsKept& is_kept);

    // Gives folders the times that they were put with: what was put into them since has changed
    // them. Those that nobody put have the time 0, so that trees do not depend on today.
    Result<> settle_times();

private:
    struct Parent {
        UniqueFd folder;    // O_PATH
        std::string place;  // in the tree: "" or "usr/lib"
    };
    enum class Missing { kMake, kError };

    explicit StagingTree(UniqueFd root)
        : path_(descriptor_path(root.get()) + "/."), root_(std::move(root)) {}
    Result<UniqueFd> resolve(const std::string& path, uint64_t flags) const;
    Result<> make_folders(const std::string& path);
    Result<UniqueFd> make_folder(const UniqueFd& parent, const std::string& name);
    Result<> note_time(int folder, const timespec& modified);
    Result<std::string> place_of(int fd) const;
    Result<const Parent*> parent_of(const std::string& path, Missing missing);
    Result<> clear_way(const Parent& parent, const std::string& name);
    Result<std::string> finish_special(const Parent& parent, const std::string& name,
                                       const Attributes& attributes, bool has_mode);
    void clear_inherited(const std::string& place) const;
    Result<> remove_at(const std::string& place, const IsKept& is_kept);

    std::string path_;
    UniqueFd root_;
    // The parent of the path before: neighbours in an archive share it. Forgotten whenever a name
    // on the way may have changed its meaning.
    std::optional<std::string> last_path_;
    Parent last_;
    std::unordered_map<ino_t, timespec> folder_times_;
    uint64_t implied_folders_ = 0;
    bool has_default_acls_ = false;
};
