#include "monitor/snapshot/new_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

Error NewFile::said(const char* what) const {
    return Error::from_errno(what).about(path_);
}

Result<NewFile> NewFile::create(std::string path, const std::string& suffix) {
    struct stat there {};
    if (::stat(path.c_str(), &there) == 0 && !S_ISREG(there.st_mode))
        return Error{"snapshot", EEXIST, "would take the place of what is no regular file"}.about(
            path);
    std::string name = path + suffix;
    UniqueFd fd(::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR));
    if (!fd) return Error::from_errno("snapshot").about(path);
    return NewFile{std::move(path), std::move(name), std::move(fd)};
}

NewFile::~NewFile() {
    if (fd_ && !is_left_) ::unlink(name_.c_str());
}

Result<> NewFile::write(std::span<const std::byte> bytes, uint64_t offset) const {
    while (!bytes.empty()) {
        const ssize_t written =
            ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return said("snapshot");
        bytes = bytes.subspan(static_cast<size_t>(written));
        offset += static_cast<uint64_t>(written);
    }
    return Ok{};
}

Result<> NewFile::set_size(uint64_t bytes) const {
    if (::ftruncate(fd_.get(), static_cast<off_t>(bytes)) != 0) return said("snapshot");
    return Ok{};
}

Result<> NewFile::sync() const {
    if (::fsync(fd_.get()) != 0) return said("snapshot");
    return Ok{};
}

Result<> NewFile::take_place() {
    if (std::rename(name_.c_str(), path_.c_str()) != 0) return said("snapshot");
    is_left_ = true;
    return Ok{};
}

Result<> NewFile::sync_folder() const {
    const size_t slash = path_.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
    const UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd || ::fsync(fd.get()) != 0) return said("snapshot's folder");
    return Ok{};
}
