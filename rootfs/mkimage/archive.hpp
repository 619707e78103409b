// A tar archive, compressed or not, read once from its start by libarchive. Main thread.
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "rootfs/mkimage/digest.hpp"
#include "rootfs/mkimage/job.hpp"

class Archive {
public:
    // Of `file`, which stays open as long as this. `name` is for error lines.
    // Errors: the bytes are no archive.
    static Result<Archive> open(int file, std::string name, Job& job);

    // The next entry, valid until the next call; nullptr at the end.
    // Errors: broken or truncated; EINTR.
    Result<archive_entry*> next();

    // A piece of the entry's content and its place; what lies between pieces is a hole.
    struct Piece {
        std::span<const std::byte> bytes;
        uint64_t offset;
    };
    // Nothing at the end of the entry.
    Result<std::optional<Piece>> next_piece();

    // Reads what follows the archive's end in the file, so that a writer at the other end of a
    // pipe is not cut off. Returns the SHA-256 of the whole file, in hexadecimal.
    Result<std::string> finish();

    // How large it is; of a stream, what was read of it.
    uint64_t size() const;

    // From the first entry on.
    bool is_compressed() const {
        return ::archive_filter_code(handle_.get(), 0) != ARCHIVE_FILTER_NONE;
    }

private:
    struct Close {
        void operator()(archive* handle) const { ::archive_read_free(handle); }
    };
    // What libarchive reads from. It keeps the address.
    struct Input {
        int file;
        Job* job;
        uint64_t read_bytes = 0;
        Sha256 digest{};
        std::vector<std::byte> buffer{};
    };

    Archive(std::unique_ptr<Input> input, std::string name)
        : input_(std::move(input)), name_(std::move(name)) {}
    Error broken();
    static la_ssize_t read_more(archive* handle, void* input, const void** bytes);

    std::unique_ptr<Input> input_;
    std::unique_ptr<archive, Close> handle_;
    std::string name_;
};
