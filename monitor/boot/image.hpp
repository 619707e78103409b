// A boot image (kernel or initrd) before it is in guest memory: bytes with a size, from a file or
// from the binary itself. Files are read with pread(2) and never dereferenced through a mapping, so
// that a file cut short meanwhile is an error and not a SIGBUS. Owned by the machine's set-up on
// the main thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

class Image {
public:
    // Opens the regular file `path`. Errors, about `path`: as open(2), and one for
    // a directory, a FIFO, a device and an empty file.
    static Result<Image> open(const char* path);

    // `bytes` outlive the Image.
    static Image embedded(std::span<const std::byte> bytes) { return Image(bytes); }

    uint64_t size() const { return size_; }
    // What errors call it.
    const char* name() const { return name_.c_str(); }

    // The file, for mapping it; -1 for an embedded image.
    int fd() const { return fd_.get(); }

    // Copies [offset, offset + to.size()). Errors: ENODATA past the end, EIO.
    Result<> read(uint64_t offset, std::span<std::byte> to) const;

private:
    explicit Image(std::span<const std::byte> bytes) : bytes_(bytes), size_(bytes.size()) {}
    Image(UniqueFd fd, uint64_t size, const char* name)
        : fd_(std::move(fd)), size_(size), name_(name) {}

    UniqueFd fd_;
    std::span<const std::byte> bytes_;
    uint64_t size_ = 0;
    std::string name_ = "embedded guest";
};
