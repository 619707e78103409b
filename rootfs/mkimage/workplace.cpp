#include "rootfs/mkimage/workplace.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstdlib>
#include <fts.h>
#include <memory>

namespace {

// Links resolved, so that the rename replaces the file and not a link to it. A path that does not
// exist yet stays as it is.
std::string resolved(const char* path) {
    const std::unique_ptr<char, void (*)(void*)> real(::realpath(path, nullptr), &::free);
    return real == nullptr ? path : real.get();
}

Result<> flush(const std::string& path, int flags) {
    const UniqueFd file(::open(path.c_str(), flags | O_CLOEXEC));
    if (!file) return Error::from_errno("open");
    // Some file systems cannot fsync a folder.
    if (::fsync(file.get()) != 0 && errno != EINVAL) return Error::from_errno("fsync");
    return Ok{};
}

}  // namespace

Result<Workplace> Workplace::create(const char* out) {
    if (*out == '\0') return Error{"OUT", 0, "is empty; name a file"};
    Workplace workplace(out, resolved(out));
    struct stat status {};
    if (::lstat(workplace.target_.c_str(), &status) == 0) {
        if (!S_ISREG(status.st_mode))
            return Error{"OUT", 0, "is no regular file; name another, or remove it"}.about(out);
        workplace.mode_ = status.st_mode & 07777U;
    } else if (errno != ENOENT) {
        return Error::from_errno("OUT").about(out);
    }
    std::string folder = folder_of(workplace.target_) + "/.mayfly-image-XXXXXX";
    if (::mkdtemp(folder.data()) == nullptr)
        return Error::from_errno("OUT", "its folder must exist and be writable").about(out);
    workplace.folder_ = folder;
    const UniqueFd image(
        ::open(image_in(folder).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (!image) return Error::from_errno("OUT").about(out);
    return workplace;
}

Workplace::~Workplace() {
    if (!folder_.empty()) remove_folder(folder_);
}

Result<> Workplace::publish() {
    const std::string image = image_in(folder_);
    if (mode_ != 0 && ::chmod(image.c_str(), mode_) != 0)
        return Error::from_errno("chmod").about(out_);
    const auto flushed = flush(image, O_RDONLY);
    if (!flushed.ok()) return flushed.error().about(out_);
    if (::rename(image.c_str(), target_.c_str()) != 0)
        return Error::from_errno("rename").about(out_);
    // The image is there; that the name may be lost with the power is no failure of ours.
    [[maybe_unused]] const auto named = flush(folder_of(target_), O_RDONLY | O_DIRECTORY);
    return Ok{};
}

std::string image_in(const std::string& workplace) {
    return workplace + "/image";
}

std::string tree_in(const std::string& workplace) {
    return workplace + "/tree";
}

std::string folder_of(const std::string& path) {
    const size_t slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

void remove_folder(const std::string& path) {
    std::string root = path;
    std::array<char*, 2> roots{root.data(), nullptr};
    const std::unique_ptr<FTS, int (*)(FTS*)> walk(
        ::fts_open(roots.data(), FTS_PHYSICAL | FTS_NOCHDIR | FTS_NOSTAT, nullptr), &::fts_close);
    if (walk == nullptr) return;
    while (FTSENT* const entry = ::fts_read(walk.get())) {
        if (entry->fts_info == FTS_D) continue;
        if (entry->fts_info == FTS_DP || entry->fts_info == FTS_DNR) {
            ::rmdir(entry->fts_accpath);
        } else {
            ::unlink(entry->fts_accpath);
        }
    }
}
