#include "rootfs/mkimage/archive.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace {

constexpr size_t kReadBytes = size_t{256} << 10U;
constexpr uint64_t kMostBodyBytes = uint64_t{1} << 20U;  // of a header that only says more
constexpr size_t kMostSegments = 1'000'000;
constexpr Error kBrokenSparse{
    .what = "sparse file", .code = 0, .hint = "has a broken list of parts"};
constexpr Error kUnknownSparse{.what = "sparse file", .code = 0, .hint = "is in a form not known"};
constexpr const char* kTruncated = "ends in the middle: it is truncated";

// The compressions that libarchive does itself: its "all" would run programs for rare ones.
bool choose_formats(archive* handle) {
    for (const auto support :
         {&::archive_read_support_format_raw, &::archive_read_support_format_empty,
          &::archive_read_support_filter_gzip, &::archive_read_support_filter_bzip2,
          &::archive_read_support_filter_compress, &::archive_read_support_filter_lzma,
          &::archive_read_support_filter_xz, &::archive_read_support_filter_lzip,
          &::archive_read_support_filter_lz4, &::archive_read_support_filter_zstd})
        if (support(handle) != ARCHIVE_OK) return false;
    return true;
}

uint64_t padding_of(uint64_t size) {
    return (kTarBlockBytes - size % kTarBlockBytes) % kTarBlockBytes;
}

// Of these types, whatever size they say, nothing follows in the archive (as GNU tar and Go's have
// it: a hard link's size is that of the file).
bool has_content(TarKind kind, char type) {
    return kind == TarKind::kFile || kind == TarKind::kUnknown || type == 'D';
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
        return Error{"libarchive", 0, "lacks a compression; install Debian's"};
    if (::archive_read_open(archive.handle_.get(), archive.input_.get(), nullptr,
                            &Archive::read_more, nullptr) != ARCHIVE_OK)
        return archive.unreadable();
    archive_entry* content = nullptr;
    const int status = ::archive_read_next_header(archive.handle_.get(), &content);
    if (status == ARCHIVE_EOF) {
        archive.is_at_end_ = true;
    } else if (status != ARCHIVE_OK) {
        return archive.unreadable();
    }
    TRY(archive.peek());
    return archive;
}

uint64_t Archive::size() const {
    struct stat status {};
    if (::fstat(input_->file, &status) != 0 || !S_ISREG(status.st_mode)) return input_->read_bytes;
    return static_cast<uint64_t>(status.st_size);
}

Error Archive::broken(const char* reason) const {
    return Error{"tar", 0, reason}.about(name_);
}

Error Archive::unreadable() {
    Job& job = *input_->job;
    if (const auto interrupted = job.interrupt.check(); !interrupted.ok())
        return interrupted.error();
    const char* const reason = ::archive_error_string(handle_.get());
    return broken(job.words.keep(reason == nullptr ? "cannot be read" : reason));
}

// Empty at the end.
Result<std::span<const std::byte>> Archive::peek() {
    while (ahead_.empty() && !is_at_end_) {
        const void* bytes = nullptr;
        size_t length = 0;
        la_int64_t offset = 0;
        const int status = ::archive_read_data_block(handle_.get(), &bytes, &length, &offset);
        if (status == ARCHIVE_EOF) {
            is_at_end_ = true;
        } else if (status != ARCHIVE_OK) {
            return unreadable();
        } else {
            ahead_ = {static_cast<const std::byte*>(bytes), length};
            read_bytes_ += length;
        }
    }
    return ahead_;
}

void Archive::take(size_t count) {
    ahead_ = ahead_.subspan(count);
}

Result<> Archive::skip(uint64_t count) {
    while (count > 0) {
        const size_t there = TRY(peek()).size();
        if (there == 0) return broken(kTruncated);
        const uint64_t taken = std::min<uint64_t>(there, count);
        take(taken);
        count -= taken;
        TRY(input_->job->interrupt.check());
    }
    return Ok{};
}

// False: the archive ends where the block would begin.
Result<bool> Archive::read_block(TarBlock& block) {
    size_t have = 0;
    while (have < block.size()) {
        const std::span<const std::byte> there = TRY(peek());
        if (there.empty() && have == 0) return false;
        if (there.empty()) return broken(kTruncated);
        const size_t taken = std::min(there.size(), block.size() - have);
        std::memcpy(block.data() + have, there.data(), taken);
        take(taken);
        have += taken;
    }
    return true;
}

Result<std::string> Archive::read_body(uint64_t size) {
    if (size > kMostBodyBytes) return broken("has a header of more than a MiB");
    std::string body;
    TarBlock block{};
    while (body.size() < size) {
        if (!TRY(read_block(block))) return broken(kTruncated);
        body.append(block.data(), std::min<size_t>(block.size(), size - body.size()));
    }
    return body;
}

// None: the end, which two blocks of zeros mark; some writers leave out one, or both.
Result<std::optional<TarHeader>> Archive::next_header() {
    TarBlock block{};
    const bool is_first = read_bytes_ == ahead_.size();
    if (!TRY(read_block(block)) || is_zero(block)) return std::optional<TarHeader>();
    if (!is_tar_header(block))
        return broken(is_first ? "is none, or in a compression that is not known"
                               : "is damaged: a header's checksum is wrong");
    auto header = parse_tar_header(block);
    if (!header.ok()) return header.error().about(name_);
    return std::optional(std::move(header).value());
}

// Whether it was one, and not the header of an entry.
Result<bool> Archive::read_preface(const TarHeader& header, Preface& preface) {
    const auto name_in = [](const std::string& body) { return body.substr(0, body.find('\0')); };
    switch (header.type) {
        case 'L':
            preface.path = name_in(TRY(read_body(header.size)));
            return true;
        case 'K':
            preface.target = name_in(TRY(read_body(header.size)));
            return true;
        case 'x':
        case 'X':  // Sun's
        case 'g': {
            const std::string body = TRY(read_body(header.size));
            const bool is_global = header.type == 'g';
            if (is_global) global_bytes_ += body.size();
            if (global_bytes_ > kMostBodyBytes)
                return broken("has more than a MiB of global headers");
            PaxRecords& records = is_global ? global_ : preface.records;
            const auto parsed = parse_pax_records(body, records);
            if (!parsed.ok()) return parsed.error().about(name_);
            return true;
        }
        case 'V':  // the name of a tape
            TRY(skip(header.size + padding_of(header.size)));
            return true;
        default:
            return false;
    }
}

Result<const TarEntry*> Archive::next() {
    constexpr int kMostPrefaces = 64;
    TRY(skip(left_));
    TRY(skip(padding_));
    left_ = padding_ = 0;
    TRY(input_->job->interrupt.check());
    Preface preface;
    for (int prefaces = 0; prefaces <= kMostPrefaces; ++prefaces) {
        std::optional<TarHeader> header = TRY(next_header());
        if (!header && prefaces > 0 &&
            (preface.path || preface.target || !preface.records.values.empty()))
            return broken(kTruncated);
        if (!header) return static_cast<const TarEntry*>(nullptr);
        if (TRY(read_preface(*header, preface))) continue;
        const auto begun = begin(*header, preface);
        if (!begun.ok()) return begun.error().about(name_ + ": " + entry_.path);
        return &entry_;
    }
    return broken("has more headers before a name than any writer makes");
}

Result<> Archive::begin(TarHeader& header, Preface& preface) {
    entry_ = {.path = preface.path.value_or(header.path),
              .target = preface.target.value_or(header.target),
              .kind = kind_of(header.type),
              .mode = header.mode,
              .owner = header.owner,
              .group = header.group,
              .modified = {.tv_sec = header.modified, .tv_nsec = 0},
              .major = header.major,
              .minor = header.minor};
    preface.records.global = &global_;
    TRY(apply_pax_records(preface.records, entry_));
    TRY(find_content(header, preface.records));
    // What has no type of its own for folders.
    if (entry_.kind == TarKind::kFile && entry_.path.ends_with('/')) {
        entry_.kind = entry_.size == 0 ? TarKind::kFolder : TarKind::kUnknown;
        entry_.segments.clear();
    }
    return Ok{};
}

// Where the entry's content is, in the archive and in the file.
Result<> Archive::find_content(TarHeader& header, const PaxRecords& records) {
    const uint64_t size = TRY(records.number("size", header.size));
    segment_ = 0;
    in_segment_ = 0;
    left_ = has_content(entry_.kind, header.type) ? size : 0;
    padding_ = padding_of(left_);
    entry_.size = left_;
    if (entry_.kind != TarKind::kFile) return Ok{};
    if (header.type == 'S') return find_in_header(header);
    if (records.says_segments()) return find_in_records(records);
    if (TRY(records.number("SCHILY.realsize", size)) != size) return kUnknownSparse;
    entry_.segments.push_back({0, size});
    return Ok{};
}

// Of a sparse file, as old GNU tars have it.
Result<> Archive::find_in_header(TarHeader& header) {
    TarBlock block{};
    for (bool has_more = header.has_more_segments; has_more;) {
        if (!TRY(read_block(block)) || header.segments.size() > kMostSegments) return kBrokenSparse;
        has_more = TRY(parse_more_segments(block, header.segments));
    }
    entry_.segments = std::move(header.segments);
    entry_.size = header.real_size;
    return check_segments();
}

// ... and as new ones do, in three forms.
Result<> Archive::find_in_records(const PaxRecords& records) {
    entry_.size = TRY(records.number("GNU.sparse.size", entry_.size));
    entry_.size = TRY(records.number("GNU.sparse.realsize", entry_.size));
    const std::string* const major = records.find("GNU.sparse.major");
    if (major != nullptr && *major != "0") {
        if (*major != "1") return kUnknownSparse;
        TRY(read_segments());
    } else {
        entry_.segments = TRY(records.all_segments());
    }
    return check_segments();
}

// GNU's form 1.0: decimal numbers, a line each, before the content: how many segments, and of each
// offset and size; filled up to whole blocks.
Result<> Archive::read_segments() {
    TarBlock block{};
    size_t at = block.size();
    const auto next_number = [&]() -> Result<uint64_t> {
        std::string digits;
        for (;;) {
            if (at == block.size()) {
                if (left_ < block.size() || !TRY(read_block(block))) return kBrokenSparse;
                left_ -= block.size();
                at = 0;
            }
            const char byte = block[at++];
            if (byte == '\n') return parse_decimal(digits, "sparse file");
            if (digits.size() > 20) return kBrokenSparse;
            digits += byte;
        }
    };
    const uint64_t count = TRY(next_number());
    if (count > kMostSegments) return kBrokenSparse;
    for (uint64_t i = 0; i < count; ++i) {
        const uint64_t offset = TRY(next_number());
        entry_.segments.push_back({offset, TRY(next_number())});
    }
    return Ok{};
}

Result<> Archive::check_segments() const {
    uint64_t end = 0;
    uint64_t sum = 0;
    for (const TarSegment& segment : entry_.segments) {
        if (segment.offset < end || segment.offset > entry_.size ||
            segment.size > entry_.size - segment.offset)
            return kBrokenSparse;
        end = segment.offset + segment.size;
        sum += segment.size;
    }
    return sum == left_ ? Result<>(Ok{}) : kBrokenSparse;
}

Result<std::optional<Archive::Piece>> Archive::next_piece() {
    while (segment_ < entry_.segments.size() && in_segment_ == entry_.segments[segment_].size) {
        ++segment_;
        in_segment_ = 0;
    }
    if (segment_ == entry_.segments.size()) return std::optional<Piece>();
    const TarSegment& segment = entry_.segments[segment_];
    const std::span<const std::byte> there = TRY(peek());
    if (there.empty()) return broken(kTruncated);
    const size_t count = std::min<uint64_t>(there.size(), segment.size - in_segment_);
    const Piece piece{there.first(count), segment.offset + in_segment_};
    take(count);
    in_segment_ += count;
    left_ -= count;
    return std::optional(piece);
}

Result<std::string> Archive::finish() {
    const void* bytes = nullptr;
    for (;;) {
        const la_ssize_t count = read_more(handle_.get(), input_.get(), &bytes);
        if (count < 0) return unreadable();
        if (count == 0) return input_->digest.take();
    }
}
