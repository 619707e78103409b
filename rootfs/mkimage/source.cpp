#include "rootfs/mkimage/source.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rootfs/mkimage/staging_tree.hpp"
#include "rootfs/mkimage/unpack.hpp"
#include "rootfs/mkimage/workplace.hpp"

Result<Source> Source::open(const SourceName& name) {
    UniqueFd file(name.kind == SourceKind::kStdin
                      ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)
                      : ::open(name.path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (!file) return Error::from_errno("open").about(name.text);
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) return Error::from_errno("stat").about(name.text);
    return Source(name, std::move(file), S_ISDIR(status.st_mode));
}

Result<> Source::unpack(const std::string& workplace, Job& job) const {
    StagingTree tree = TRY(StagingTree::create(tree_in(workplace)));
    Unpacker unpacker(tree, TRY(UnpackLimits::of(workplace)), job);
    Archive archive = TRY(Archive::open(file_.get(), name_.text, job));
    TRY(unpacker.unpack(archive, name_.text, Whiteouts::kAsNames));
    TRY(archive.finish());
    return tree.settle_times();
}

Result<> Source::must_not_hold(const std::string& file) const {
    struct stat own {};
    if (::fstat(file_.get(), &own) != 0) return Error::from_errno("stat").about(name_.text);
    UniqueFd folder(::open(folder_of(file).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    struct stat status {};
    for (struct stat below{}; folder && ::fstat(folder.get(), &status) == 0; below = status) {
        if (status.st_ino == own.st_ino && status.st_dev == own.st_dev)
            return Error{"OUT", 0, "is in SOURCE and would become a part of itself"}.about(
                name_.text);
        if (status.st_ino == below.st_ino && status.st_dev == below.st_dev) break;  // the root
        folder = UniqueFd(::openat(folder.get(), "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
    }
    return Ok{};
}
