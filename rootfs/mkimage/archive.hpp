// A tar archive, compressed or not, read once from its start. libarchive undoes the compression;
// the tar is read here, as libarchive gives names that are not ASCII another form, or none, and
// passes over what it does not know. Main thread.
#pragma once

#include <archive.h>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "rootfs/mkimage/digest.hpp"
#include "rootfs/mkimage/job.hpp"
#include "rootfs/mkimage/pax_records.hpp"
#include "rootfs/mkimage/tar_entry.hpp"
#include "rootfs/mkimage/tar_header.hpp"

class Archive {
public:
    // Of `file`, which stays open as long as this. `name` is for error lines.
    // Errors: the bytes are no archive.
    static Result<Archive> open(int file, std::string name, Job& job);

    // The next entry, valid until the next call; nullptr at the end.
    // Errors: broken or truncated, or not to be kept as it is; EINTR.
    Result<const TarEntry*> next();

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

    // Known from open() on.
    bool is_empty() const { return is_at_end_ && read_bytes_ == 0; }
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
    // What headers before an entry's own say of it.
    struct Preface {
        std::optional<std::string> path{};
        std::optional<std::string> target{};
        PaxRecords records;
    };

    Archive(std::unique_ptr<Input> input, std::string name)
        : input_(std::move(input)), name_(std::move(name)) {}
    static la_ssize_t read_more(archive* handle, void* input, const void** bytes);
    Error broken(const char* reason) const;
    Error unreadable();

    // The archive uncompressed.
    Result<std::span<const std::byte>> peek();
    void take(size_t count);
    Result<> skip(uint64_t count);
    Result<bool> read_block(TarBlock& block);
    Result<std::string> read_body(uint64_t size);

    Result<std::optional<TarHeader>> next_header();
    Result<bool> read_preface(const TarHeader& header, Preface& preface);
    Result<> begin(TarHeader& header, Preface& preface);
    Result<> find_content(TarHeader& header, const PaxRecords& records);
    Result<> find_in_header(TarHeader& header);
    Result<> find_in_records(const PaxRecords& records);
    Result<> read_segments();
    Result<> check_segments() const;

    std::unique_ptr<Input> input_;
    std::unique_ptr<archive, Close> handle_;
    std::string name_;

    std::span<const std::byte> ahead_{};  // read and not taken
    uint64_t read_bytes_ = 0;             // all told, uncompressed
    bool is_at_end_ = false;
    PaxRecords global_{};
    uint64_t global_bytes_ = 0;  // that were read into these
    TarEntry entry_{};
    uint64_t left_ = 0;     // of the entry's content in the archive
    uint64_t padding_ = 0;  // behind it
    size_t segment_ = 0;    // the one at hand
    uint64_t in_segment_ = 0;
};
