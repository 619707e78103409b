#include "rootfs/mkimage/source.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rootfs/mkimage/sandbox.hpp"
#include "rootfs/mkimage/workplace.hpp"

namespace {

Result<UniqueFd> duplicate(int file) {
    UniqueFd copy(::fcntl(file, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    if (!copy) return Error::from_errno("dup");
    return copy;
}

std::string tree_in(int workplace) {
    return descriptor_path(workplace) + "/" + kTreeName;
}

// By name: looked at before it is opened, as to open a device is to use it.
Result<UniqueFd> open_source(const std::string& path) {
    const UniqueFd found(::open(path.c_str(), O_PATH | O_CLOEXEC));
    struct stat status {};
    if (!found || ::fstat(found.get(), &status) != 0) return Error::from_errno("open");
    if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode) && !S_ISFIFO(status.st_mode))
        return Error{"SOURCE", 0, "is neither a folder nor a file; a device can be read by -"};
    // A named pipe's writer is waited for where an interrupt is heard.
    UniqueFd file(
        ::open(descriptor_path(found.get()).c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
    if (!file) return Error::from_errno("open");
    return file;
}

}  // namespace

Result<Source> Source::open(const SourceName& name, Job& job) {
    auto opened =
        name.kind == SourceKind::kStdin ? duplicate(STDIN_FILENO) : open_source(name.path);
    if (!opened.ok()) return opened.error().about(name.text);
    UniqueFd file = std::move(opened).value();
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) return Error::from_errno("stat").about(name.text);
    const bool is_folder = S_ISDIR(status.st_mode);
    if (name.kind == SourceKind::kOciLayout && !is_folder)
        return Error{"oci:", 0, "is for a folder; an archive of one needs no prefix"}.about(
            name.text);
    if (name.kind == SourceKind::kDockerArchive && is_folder)
        return Error{"docker-archive:", 0, "is for a file"}.about(name.text);
    if (!is_folder || name.kind == SourceKind::kOciLayout)
        return Source(name, std::move(file), is_folder, is_folder);
    const Bundle bundle(TRY(duplicate(file.get())), name.text, job);
    const bool is_image = bundle.is_oci() || bundle.looks_like_docker();
    if (!is_image && bundle.is_skopeo_dir())
        return Error{"SOURCE", 0, "is what skopeo's dir: writes; copy to oci:FOLDER instead"}.about(
            name.text);
    return Source(name, std::move(file), is_folder, is_image);
}

Result<> Source::unpack(int workplace, uint64_t most_times, Job& job) const {
    const Confines confines{
        .folder = workplace, .readable = is_folder_ ? file_.get() : -1, .archive = file_.get()};
    return run_confined(
        confines, [&] { return unpack_confined(workplace, most_times, job); }, job);
}

Result<> Source::unpack_confined(int workplace, uint64_t most_times, Job& job) const {
    StagingTree tree = TRY(StagingTree::create(tree_in(workplace)));
    Expansion expansion(most_times);
    Unpacker unpacker(tree, TRY(UnpackLimits::of(workplace)), expansion, job);
    if (is_image_) {
        Bundle image(TRY(duplicate(file_.get())), name_.text, job);
        TRY(name_.kind == SourceKind::kOciLayout || !image.is_docker()
                ? image.unpack_oci(name_.tag, tree, unpacker)
                : image.unpack_docker(tree, unpacker));
        return tree.settle_times();
    }
    Archive archive = TRY(Archive::open(file_.get(), name_.text, job));
    if (archive.is_empty()) return Error{"tar", 0, "is empty"}.about(name_.text);
    TRY(unpacker.unpack(archive, name_.text, Whiteouts::kAsNames));
    TRY(archive.finish());

    // Whether it is a tree or has an image shows now: its manifest may be the last entry, and a
    // stream is read once.
    Bundle saved(TRY(tree.open()), name_.text, job);
    if (name_.kind != SourceKind::kDockerArchive && !saved.is_docker() && !saved.is_oci())
        return tree.settle_times();
    expansion.note_archive(archive.size());
    return unpack_image_in(saved, workplace, expansion, job);
}

// The archive has been unpacked; the image in it takes its place.
Result<> Source::unpack_image_in(Bundle& saved, int workplace, Expansion& expansion,
                                 Job& job) const {
    if (::renameat(workplace, kTreeName, workplace, "archive") != 0)
        return Error::from_errno("rename").about(name_.text);
    StagingTree tree = TRY(StagingTree::create(tree_in(workplace)));
    expansion.seal();
    Unpacker unpacker(tree, TRY(UnpackLimits::of(workplace)), expansion, job);
    TRY(name_.kind == SourceKind::kDockerArchive || saved.is_docker()
            ? saved.unpack_docker(tree, unpacker)
            : saved.unpack_oci("", tree, unpacker));
    return tree.settle_times();
}

Result<> Source::must_not_hold(const UniqueFd& folder) const {
    struct stat own {};
    if (::fstat(file_.get(), &own) != 0) return Error::from_errno("stat").about(name_.text);
    UniqueFd at = TRY(duplicate(folder.get()));
    struct stat status {};
    for (struct stat below{}; at && ::fstat(at.get(), &status) == 0; below = status) {
        if (is_same_file(status, own))
            return Error{"OUT", 0, "is in SOURCE and would become a part of itself"}.about(
                name_.text);
        if (is_same_file(status, below)) break;  // the root
        at = UniqueFd(::openat(at.get(), "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
    }
    return Ok{};
}
