#include "rootfs/mkimage/workplace.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstdint>
#include <cstdlib>
#include <fts.h>
#include <functional>
#include <memory>

namespace {

constexpr const char* kFolderHint = "its folder must exist and be writable";

struct SplitPath {
    std::string folder;
    std::string name;
};

SplitPath split(const std::string& path) {
    const size_t slash = path.rfind('/');
    if (slash == std::string::npos) return {".", path};
    return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

// Tries names until `make` takes one. Errors: what make() leaves in errno.
Result<std::string> make_under_new_name(const std::function<bool(const char*)>& make) {
    constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz234567";
    for (int attempt = 0; attempt < 100; ++attempt) {
        std::array<uint8_t, 6> random{};
        if (::getrandom(random.data(), random.size(), 0) != std::ssize(random)) break;
        std::string name = ".mayfly-image-";
        for (const uint8_t byte : random) name += kLetters[byte % kLetters.size()];
        if (make(name.c_str())) return name;
        if (errno != EEXIST) break;
    }
    return Error::from_errno("OUT", kFolderHint);
}

Result<> flush(int fd) {
    // Some file systems cannot fsync a folder.
    if (::fsync(fd) != 0 && errno != EINVAL) return Error::from_errno("fsync");
    return Ok{};
}

// To make files in: what find_folder() has is good for lookups alone.
UniqueFd reopen(int folder) {
    return UniqueFd(::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

// Where temporary files are and names of ours stay what they are.
Result<UniqueFd> temporary_folder() {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread
    const char* const given = ::getenv("TMPDIR");
    for (const char* const path : {given, "/var/tmp", "/tmp"}) {
        if (path == nullptr || *path == '\0') continue;
        auto found = find_folder(path);
        if (found.ok() && found.value().keeps_our_names())
            return reopen(found.value().folder.get());
    }
    return Error{"TMPDIR", 0, "names no folder that only you can change, and OUT's is none"};
}

}  // namespace

Result<> PrivateFolder::make_in(UniqueFd parent) {
    name_ = TRY(make_under_new_name(
        [&](const char* name) { return ::mkdirat(parent.get(), name, 0700) == 0; }));
    parent_ = std::move(parent);
    folder_ = UniqueFd(
        ::openat(parent_.get(), name_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!folder_) return Error::from_errno("open");
    return Ok{};
}

PrivateFolder::~PrivateFolder() {
    if (name_.empty()) return;
    if (folder_) remove_folder(descriptor_path(folder_.get()) + "/.");
    ::unlinkat(parent_.get(), name_.c_str(), AT_REMOVEDIR);
}

Result<Workplace> Workplace::create(const char* out) {
    if (*out == '\0') return Error{"OUT", 0, "is empty; name a file"};
    const SplitPath to = split(out);
    auto place = find_folder(to.folder);
    if (!place.ok()) {
        const bool is_absent = place.error().code == ENOENT;
        return Error{"OUT", place.error().code, is_absent ? kFolderHint : place.error().hint}.about(
            out);
    }
    Workplace workplace(out, std::move(place).value(), to.name);
    const auto looked = workplace.look_at_target();
    if (!looked.ok()) return looked.error().about(out);
    const auto made = workplace.make_image();
    if (!made.ok()) return made.error().about(out);
    return workplace;
}

// What there is under OUT's name, links followed, so that the file is replaced and not the link.
Result<> Workplace::look_at_target() {
    constexpr int kMostLinks = 40;
    for (int links = 0; links <= kMostLinks; ++links) {
        struct stat status {};
        if (name_.empty() || name_ == "." || name_ == "..")
            return Error{"OUT", 0, "is no regular file; name another, or remove it"};
        if (::fstatat(place_.folder.get(), name_.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
            return errno == ENOENT ? Result<>(Ok{}) : Error::from_errno("OUT");
        if (TRY(follow_link(status))) continue;
        if (!S_ISREG(status.st_mode))
            return Error{"OUT", 0, "is no regular file; name another, or remove it"};
        // What somebody else has put there does not say who may change an image of ours.
        if (status.st_uid == ::geteuid()) mode_ = status.st_mode & 0777U;
        return Ok{};
    }
    return Error{"OUT", ELOOP};
}

// Whether it was one.
Result<bool> Workplace::follow_link(const struct stat& link) {
    if (!S_ISLNK(link.st_mode)) return false;
    const bool is_ours = link.st_uid == 0 || link.st_uid == ::geteuid();
    if (!place_.is_trusted() && !(place_.keeps_our_names() && is_ours))
        return Error{"OUT", 0, "is a link in a folder that others may write; name the file itself"};
    std::array<char, PATH_MAX> target{};
    const ssize_t length =
        ::readlinkat(place_.folder.get(), name_.c_str(), target.data(), target.size());
    if (length <= 0) return Error::from_errno("OUT");
    const SplitPath to = split(std::string(target.data(), static_cast<size_t>(length)));
    place_ = TRY(find_folder_from(std::move(place_), to.folder));
    name_ = to.name;
    return true;
}

// A file without a name, where the file system has such; it leaves nothing however we end.
Result<> Workplace::make_image() {
    place_.folder = reopen(place_.folder.get());
    if (!place_.folder) return Error::from_errno("OUT", kFolderHint);
    const int folder = place_.folder.get();
    image_ = UniqueFd(::openat(folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0666));
    if (image_) return Ok{};
    if (errno != EOPNOTSUPP && errno != EISDIR) return Error::from_errno("OUT", kFolderHint);
    image_name_ = TRY(make_under_new_name([&](const char* name) {
        constexpr int kFlags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
        image_ = UniqueFd(::openat(folder, name, kFlags, 0666));
        return static_cast<bool>(image_);
    }));
    return Ok{};
}

Workplace::~Workplace() {
    if (!image_name_.empty()) ::unlinkat(place_.folder.get(), image_name_.c_str(), 0);
}

Result<int> Workplace::make_folder() {
    UniqueFd parent =
        place_.keeps_our_names() ? reopen(place_.folder.get()) : TRY(temporary_folder());
    const auto made = folder_.make_in(std::move(parent));
    if (!made.ok()) return made.error().about(out_);
    return folder_.fd();
}

// A file cannot be linked over another one, so it gets a name of its own before OUT's.
Result<> Workplace::publish() {
    const auto failed = [this](const Error& error) { return error.about(out_); };
    if (mode_ != 0 && ::fchmod(image_.get(), mode_) != 0) return failed(Error::from_errno("chmod"));
    if (const auto flushed = flush(image_.get()); !flushed.ok()) return failed(flushed.error());
    const int folder = place_.folder.get();
    if (image_name_.empty()) {
        const std::string image = descriptor_path(image_.get());
        auto named = make_under_new_name([&](const char* name) {
            return ::linkat(AT_FDCWD, image.c_str(), folder, name, AT_SYMLINK_FOLLOW) == 0;
        });
        if (!named.ok()) return failed(named.error());
        image_name_ = std::move(named).value();
    }
    if (::renameat(folder, image_name_.c_str(), folder, name_.c_str()) != 0)
        return failed(Error::from_errno("rename"));
    image_name_.clear();
    if (!is_published())
        return failed({"OUT", 0,
                       "is something else: somebody else who may write to its folder has put it "
                       "there; name a folder of your own"});
    // The image is there; that the name may be lost with the power is no failure of ours.
    [[maybe_unused]] const auto kept = flush(folder);
    return Ok{};
}

// Who owns OUT's folder may have renamed the image before we did, and given its name to another.
bool Workplace::is_published() const {
    struct stat made {};
    struct stat found {};
    return ::fstat(image_.get(), &made) == 0 &&
           ::fstatat(place_.folder.get(), name_.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0 &&
           made.st_dev == found.st_dev && made.st_ino == found.st_ino;
}

std::string descriptor_path(int fd) {
    return "/proc/self/fd/" + std::to_string(fd);
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
