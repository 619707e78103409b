#include "rootfs/mkimage/unpack.hpp"

#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <string_view>

namespace {

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kWhiteoutMeta = ".wh..wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";

Result<uint32_t> id_of(int64_t id) {
    // The highest means "none" to chown.
    if (id < 0 || id >= std::numeric_limits<uint32_t>::max())
        return Error{"owner", ERANGE, "must be from 0 to 4294967294"};
    return static_cast<uint32_t>(id);
}

// The extended attributes are in the order of their names: image tools write them in the order in
// which they were set, and a set has no order.
Result<Attributes> attributes_of(const TarEntry& entry) {
    return Attributes{.mode = entry.mode,
                      .owner = TRY(id_of(entry.owner)),
                      .group = TRY(id_of(entry.group)),
                      .modified = entry.modified,
                      .xattrs = {entry.xattrs.begin(), entry.xattrs.end()}};
}

// In the bits that Linux has for them.
Result<dev_t> device_of(const TarEntry& entry) {
    if (entry.major >= 1U << 12U || entry.minor >= 1U << 20U)
        return Error{"device node", ERANGE, "Linux has no such number"};
    return makedev(static_cast<unsigned>(entry.major), static_cast<unsigned>(entry.minor));
}

// A path as it fits a line that also says what is wrong.
std::string shown(const std::string& path) {
    constexpr size_t kEnd = 100;
    if (path.size() <= 2 * kEnd) return path;
    return path.substr(0, kEnd) + "..." + path.substr(path.size() - kEnd);
}

Result<> write_at(int file, const Archive::Piece& piece) {
    std::span<const std::byte> rest = piece.bytes;
    auto offset = static_cast<off_t>(piece.offset);
    while (!rest.empty()) {
        const ssize_t count = ::pwrite(file, rest.data(), rest.size(), offset);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return Error::from_errno("write");
        rest = rest.subspan(static_cast<size_t>(count));
        offset += count;
    }
    return Ok{};
}

}  // namespace

Result<std::string> clean_path(std::string_view name) {
    if (name.empty()) return Error{"path", 0, "is empty"};
    std::string clean;
    std::string_view rest = name;
    while (!rest.empty()) {
        const std::string_view part = rest.substr(0, rest.find('/'));
        rest.remove_prefix(std::min(rest.size(), part.size() + 1));
        if (part.empty() || part == ".") continue;
        if (part == "..") return Error{"path", 0, "has a .., which may lead out of the image"};
        if (!clean.empty()) clean += '/';
        clean += part;
    }
    return clean;
}

Result<UnpackLimits> UnpackLimits::of(int folder) {
    constexpr uint64_t kMostEntries = 10'000'000;
    constexpr uint64_t kMostNameBytes = uint64_t{256} << 20U;
    struct statvfs status {};
    if (::fstatvfs(folder, &status) != 0) return Error::from_errno("statvfs");
    const uint64_t free = uint64_t{status.f_bavail} * status.f_frsize;
    return UnpackLimits{free / 2, kMostEntries, kMostNameBytes};
}

Result<> Unpacker::unpack(Archive& archive, const std::string& name, Whiteouts whiteouts) {
    own_.clear();
    own_bytes_ = 0;
    expansion_.begin_archive();
    while (const TarEntry* const entry = TRY(archive.next())) {
        const auto unpacked = unpack_entry(*entry, archive, whiteouts);
        if (unpacked.ok()) continue;
        if (!job_.interrupt.check().ok()) return unpacked.error();
        return unpacked.error().about(name + ": " + shown(entry->path));
    }
    return Ok{};
}

Result<> Unpacker::unpack_entry(const TarEntry& entry, Archive& archive, Whiteouts whiteouts) {
    const std::string path = TRY(clean_path(entry.path));
    expansion_.note_archive(archive.size());
    TRY(count_entries(1));
    if (whiteouts == Whiteouts::kApplied) {
        const size_t slash = path.rfind('/');
        const std::string_view name =
            std::string_view(path).substr(slash == std::string::npos ? 0 : slash + 1);
        if (name.starts_with(kWhiteout)) return white_out(path);
    }
    const std::string place = TRY(put(entry, path, archive));
    // A path can stand for thousands.
    TRY(count_entries(tree_.implied_folders() - implied_folders_));
    implied_folders_ = tree_.implied_folders();
    if (whiteouts == Whiteouts::kApplied) TRY(note_own(place));
    job_.progress.show("unpacking", unpacked_bytes_);
    return Ok{};
}

Result<std::string> Unpacker::put(const TarEntry& entry, const std::string& path,
                                  Archive& archive) {
    if (entry.kind == TarKind::kHardLink)
        return tree_.put_hard_link(path, TRY(clean_path(entry.target)));
    const Attributes attributes = TRY(attributes_of(entry));
    for (const auto& [name, value] : attributes.xattrs)
        TRY(expansion_.take(name.size() + value.size()));
    if (entry.kind != TarKind::kFolder && path.empty())
        return Error{"path", 0, "is the whole image, which must be a folder"};
    switch (entry.kind) {
        case TarKind::kFolder:
            return tree_.put_folder(path, attributes);
        case TarKind::kFile:
            return put_file(path, attributes, archive, entry.size);
        case TarKind::kSymlink:
            if (entry.target.empty()) return Error{"symbolic link", 0, "has no target"};
            return tree_.put_symlink(path, entry.target, attributes);
        case TarKind::kCharDevice:
            return tree_.put_node(path, S_IFCHR, TRY(device_of(entry)), attributes);
        case TarKind::kBlockDevice:
            return tree_.put_node(path, S_IFBLK, TRY(device_of(entry)), attributes);
        case TarKind::kFifo:
            return tree_.put_node(path, S_IFIFO, 0, attributes);
        default:
            return Error{"type", 0, "is none that an image can have"};
    }
}

Result<std::string> Unpacker::put_file(const std::string& path, const Attributes& attributes,
                                       Archive& archive, uint64_t size) {
    TRY(count(size));  // holes too: the tools that read the tree would read them for years
    const StagingTree::NewFile file = TRY(tree_.put_file(path));
    TRY(write_content(file.file.get(), archive, size));
    unpacked_bytes_ += size;
    TRY(tree_.finish_file(file, attributes));
    return file.place;
}

Result<> Unpacker::write_content(int file, Archive& archive, uint64_t size) {
    uint64_t end = 0;
    while (const std::optional<Archive::Piece> piece = TRY(archive.next_piece())) {
        if (piece->offset > size || piece->bytes.size() > size - piece->offset)
            return Error{"content", 0, "is longer than its header says"};
        const uint64_t piece_end = std::max(end, piece->offset + piece->bytes.size());
        expansion_.note_archive(archive.size());
        TRY(expansion_.take(piece_end - end));
        TRY(write_at(file, *piece));
        end = piece_end;
        job_.progress.show("unpacking", unpacked_bytes_ + end);
        TRY(job_.interrupt.check());
    }
    if (end == size) return Ok{};
    TRY(expansion_.take(size - end));
    if (::ftruncate(file, static_cast<off_t>(size)) != 0) return Error::from_errno("ftruncate");
    return Ok{};
}

Result<> Unpacker::white_out(const std::string& path) {
    const size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "" : path.substr(0, slash);
    const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
    const auto is_own = [this](const std::string& place) { return own_.contains(place); };
    if (name == kOpaque) return tree_.empty(folder, is_own);
    if (name.starts_with(kWhiteoutMeta)) return Ok{};  // what AUFS notes for itself
    const std::string gone = name.substr(kWhiteout.size());
    if (gone.empty() || gone == "." || gone == "..")
        return Error{"whiteout", 0, "names nothing in its folder"};
    return tree_.remove(folder.empty() ? gone : folder + "/" + gone, is_own);
}

Result<> Unpacker::count_entries(uint64_t entries) {
    TRY(expansion_.take(entries * Expansion::kEntryBytes));
    if (entries > limits_.entries) return Error{"archive", 0, "has more than ten million entries"};
    limits_.entries -= entries;
    return Ok{};
}

Result<> Unpacker::count(uint64_t bytes) {
    if (bytes > limits_.bytes)
        return Error{"archive", ENOSPC,
                     "unpacked it would take more than half of what is free where it is unpacked"};
    limits_.bytes -= bytes;
    return Ok{};
}

// The names are the one thing of a layer that is kept in memory, and compressed a thousandfold they
// would be a small file's way to fill it.
Result<> Unpacker::note_own(const std::string& place) {
    std::string it = place;
    while (own_.insert(it).second) {
        own_bytes_ += it.size();
        if (own_bytes_ > limits_.layer_name_bytes)
            return Error{"layer", 0, "has names of more than 256 MiB, all together"};
        const size_t slash = it.rfind('/');
        if (slash == std::string::npos) break;
        it.resize(slash);
    }
    return Ok{};
}
