#include "rootfs/mkimage/archive.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

namespace {

constexpr size_t kReadBytes = size_t{256} << 10U;

// Tar in all its dialects, and the compressions that libarchive does itself. Its "all" would take
// formats that are no trees of files, and run programs for rare compressions.
bool choose_formats(archive* handle) {
    for (const auto support :
         {&::archive_read_support_format_tar, &::archive_read_support_filter_gzip,
          &::archive_read_support_filter_bzip2, &::archive_read_support_filter_compress,
          &::archive_read_support_filter_lzma, &::archive_read_support_filter_xz,
          &::archive_read_support_filter_lzip, &::archive_read_support_filter_lz4,
          &::archive_read_support_filter_zstd})
        if (support(handle) != ARCHIVE_OK) return false;
    return true;
}

}  // namespace

la_ssize_t Archive::read_more(archive* handle, void* data, const void** bytes) {
    Input& input = *static_cast<Input*>(data);
    *bytes = input.buffer.data();
    for (;;) {
        const auto readable = input.job->interrupt.wait_readable(input.file);
        const ssize_t count =
            readable.ok() ? ::read(input.file, input.buffer.data(), input.buffer.size()) : -1;
        if (count >= 0) {
            input.read_bytes += static_cast<uint64_t>(count);
            input.digest.add(std::span(input.buffer).first(static_cast<size_t>(count)));
            return count;
        }
        if (readable.ok() && (errno == EINTR || errno == EAGAIN)) continue;
        const int code = readable.ok() ? errno : readable.error().code;
        ::archive_set_error(handle, code, "%s", strerrordesc_np(code));
        return -1;
    }
}

Result<Archive> Archive::open(int file, std::string name, Job& job) {
    Archive archive(std::make_unique<Input>(Input{file, &job}), std::move(name));
    archive.input_->buffer.resize(kReadBytes);
    archive.handle_.reset(::archive_read_new());
    if (archive.handle_ == nullptr || !choose_formats(archive.handle_.get()))
        return Error{"libarchive", 0, "lacks a format or a compression; install Debian's"};
    if (::archive_read_open(archive.handle_.get(), archive.input_.get(), nullptr,
                            &Archive::read_more, nullptr) != ARCHIVE_OK)
        return archive.broken();
    return archive;
}

uint64_t Archive::size() const {
    struct stat status {};
    if (::fstat(input_->file, &status) != 0 || !S_ISREG(status.st_mode)) return input_->read_bytes;
    return static_cast<uint64_t>(status.st_size);
}

Error Archive::broken() {
    Job& job = *input_->job;
    if (const auto interrupted = job.interrupt.check(); !interrupted.ok())
        return interrupted.error();
    const char* const reason = ::archive_error_string(handle_.get());
    return Error{"tar", 0, job.words.keep(reason == nullptr ? "cannot be read" : reason)}.about(
        name_);
}

Result<archive_entry*> Archive::next() {
    archive_entry* entry = nullptr;
    const int status = ::archive_read_next_header(handle_.get(), &entry);
    if (status == ARCHIVE_EOF) return nullptr;
    // A warning is of a header that is not wholly understood: what it says would be lost.
    if (status != ARCHIVE_OK) return broken();
    TRY(input_->job->interrupt.check());
    return entry;
}

Result<std::optional<Archive::Piece>> Archive::next_piece() {
    const void* bytes = nullptr;
    size_t length = 0;
    la_int64_t offset = 0;
    const int status = ::archive_read_data_block(handle_.get(), &bytes, &length, &offset);
    if (status == ARCHIVE_EOF) return std::optional<Piece>();
    if (status != ARCHIVE_OK || offset < 0) return broken();
    return std::optional(Piece{std::span(static_cast<const std::byte*>(bytes), length),
                               static_cast<uint64_t>(offset)});
}

Result<std::string> Archive::finish() {
    const void* bytes = nullptr;
    for (;;) {
        const la_ssize_t count = read_more(handle_.get(), input_.get(), &bytes);
        if (count < 0) return broken();
        if (count == 0) return input_->digest.take();
    }
}
