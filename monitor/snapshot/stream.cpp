#include "monitor/snapshot/stream.hpp"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "monitor/snapshot/crc64.hpp"

namespace {

constexpr std::array<char, 8> kMagic{'M', 'A', 'Y', 'F', 'L', 'Y', 'S', 'S'};
constexpr uint32_t kFormat = 1;
constexpr uint32_t kThisArchitecture = 1;  // x86_64
constexpr SectionTag kEnd("END ");
constexpr uint16_t kMayBeSkipped = 1 << 0;
constexpr size_t kAlignment = 8;
constexpr size_t kMostSections = 256;  // so many are looked through one by one in no time

struct FileHeader {
    std::array<char, 8> magic;
    uint32_t format;
    uint32_t architecture;
    std::array<char, 16> version;
    uint64_t file_bytes;
    uint64_t checksum;
    std::array<std::byte, 16> identity;
    uint64_t memory_bytes;
};
static_assert(sizeof(FileHeader) == 72 && std::is_trivially_copyable_v<FileHeader>);

struct SectionHeader {
    SectionTag tag;
    uint16_t flags = 0;
    uint16_t index = 0;
    uint64_t bytes = 0;
};
static_assert(sizeof(SectionHeader) == 16 && std::is_trivially_copyable_v<SectionHeader>);

template <typename Header>
void append(std::vector<std::byte>& file, const Header& header) {
    const auto bytes = std::as_bytes(std::span(&header, 1));
    file.insert(file.end(), bytes.begin(), bytes.end());
}

// Precondition: as many bytes as it has.
template <typename Header>
Header header_of(std::span<const std::byte> bytes) {
    Header header{};
    std::memcpy(&header, bytes.data(), sizeof header);
    return header;
}

// Precondition: not less than a header.
uint64_t checksum_of(std::span<const std::byte> file) {
    constexpr size_t kAt = offsetof(FileHeader, checksum);
    constexpr std::array<std::byte, sizeof(FileHeader::checksum)> kNone{};
    Crc64 crc;
    crc.add(file.first(kAt));
    crc.add(kNone);
    crc.add(file.subspan(kAt + kNone.size()));
    return crc.value();
}

bool is_printable(char c) {
    return c >= ' ' && c <= '~';
}

// Printable characters and then zeroes.
bool is_padded_text(std::span<const char> text) {
    const auto end = std::ranges::find(text, '\0');
    return std::all_of(text.begin(), end, is_printable) &&
           std::all_of(end, text.end(), [](char c) { return c == '\0'; });
}

// What errors say twice.
constexpr char kFileBytes[] = "snapshot's bytes";
constexpr char kOneTooMany[] = "is one more than a file may have";
constexpr char kCut[] = "are not as many as it says: it is cut, or something is appended";

// Zeroes behind so many bytes of a state.
constexpr size_t padding_of(uint64_t bytes) {
    return (kAlignment - bytes % kAlignment) % kAlignment;
}

bool is_zero(std::span<const std::byte> bytes) {
    return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{}; });
}

// What no writer makes of a section's header and of the file behind it; nullptr if there is
// nothing.
const char* wrong_with(const SectionHeader& header, std::span<const std::byte> behind) {
    if ((header.flags & ~kMayBeSkipped) != 0) return "has unknown flags";
    if (header.tag == kEnd) {
        if (header.flags != 0 || header.index != 0 || header.bytes != 0)
            return "says more than that the file ends";
        return behind.empty() ? nullptr : "has bytes behind it";
    }
    const size_t padding = padding_of(header.bytes);
    if (header.bytes > behind.size() || padding > behind.size() - header.bytes)
        return "is of a section that is longer than the file";
    if (!is_zero(behind.subspan(header.bytes, padding)))
        return "is of a section whose padding is not zero";
    return nullptr;
}

}  // namespace

std::string_view program_version() {
    constexpr std::string_view kVersion = MAYFLY_VERSION;
    static_assert(kVersion.size() <= sizeof(FileHeader::version));
    return kVersion;
}

Error about_section(const Error& error, SectionTag tag, uint16_t index) {
    std::string name = "section ";
    name += tag.text();
    if (index != 0) name += " " + std::to_string(index);
    return error.about(name);
}

void seal_snapshot(std::span<std::byte> file) {
    if (file.size() < sizeof(FileHeader)) return;
    const auto put = [&](size_t at, uint64_t value) {
        std::memcpy(&file[at], &value, sizeof value);
    };
    put(offsetof(FileHeader, file_bytes), file.size());
    put(offsetof(FileHeader, checksum), checksum_of(file));
}

// --- Writing ------------------------------------------------------------------------------------

SnapshotWriter::SnapshotWriter(const SnapshotHeader& header) {
    FileHeader put{.magic = kMagic,
                   .format = kFormat,
                   .architecture = kThisArchitecture,
                   .identity = header.identity,
                   .memory_bytes = header.memory_bytes};
    if (header.version.size() > put.version.size() || !is_padded_text(header.version))
        outcome_ = Error{"version", 0, "is not of 16 printable characters at most"};
    else
        std::ranges::copy(header.version, put.version.begin());
    append(file_, put);
}

void SnapshotWriter::put(SectionTag tag, uint16_t index, Unknown unknown,
                         const Result<std::vector<std::byte>>& payload) {
    if (!outcome_.ok()) return;
    const std::pair added(tag, index);
    if (!payload.ok()) {
        outcome_ = about_section(payload.error(), tag, index);
    } else if (tag == kEnd || std::ranges::find(added_, added) != added_.end()) {
        outcome_ = about_section({"is written twice"}, tag, index);
    } else if (added_.size() == kMostSections) {
        outcome_ = about_section({kOneTooMany}, tag, index);
    } else {
        added_.push_back(added);
        append(file_,
               SectionHeader{.tag = tag,
                             .flags = unknown == Unknown::kSkipped ? kMayBeSkipped : uint16_t{0},
                             .index = index,
                             .bytes = payload.value().size()});
        file_.insert(file_.end(), payload.value().begin(), payload.value().end());
        file_.resize(file_.size() + padding_of(payload.value().size()));
    }
}

Result<std::vector<std::byte>> SnapshotWriter::finish() && {
    if (!outcome_.ok()) return outcome_.error();
    append(file_, SectionHeader{.tag = kEnd});
    seal_snapshot(file_);
    return std::move(file_);
}

// --- Reading ------------------------------------------------------------------------------------

Result<SnapshotReader> SnapshotReader::open(std::span<const std::byte> file) {
    SnapshotReader reader;
    TRY(reader.read_header(file));
    TRY(reader.find_sections(file.subspan(sizeof(FileHeader))));
    return reader;
}

Result<> SnapshotReader::read_header(std::span<const std::byte> file) {
    if (file.size() < kMagic.size() || header_of<std::array<char, 8>>(file) != kMagic)
        return Error{"snapshot", 0, "is not one: it does not begin with MAYFLYSS"};
    if (file.size() < sizeof(FileHeader)) return Error{kFileBytes, 0, kCut, file.size()};
    const auto found = header_of<FileHeader>(file);
    if (found.format != kFormat)
        return Error{"snapshot's format", 0, "is not 1, which this release reads", found.format};
    if (found.architecture != kThisArchitecture)
        return Error{"snapshot's architecture", 0, "is not 1, x86_64", found.architecture};
    if (found.file_bytes != file.size()) return Error{kFileBytes, 0, kCut, file.size()};
    if (found.checksum != checksum_of(file))
        return Error{"snapshot's checksum", 0, "is not the file's: it is damaged", found.checksum};
    if (!is_padded_text(found.version))
        return Error{"snapshot's version", 0, "is not printable text, padded with zeroes"};
    const auto end = std::ranges::find(found.version, '\0');
    header_ = {.identity = found.identity,
               .memory_bytes = found.memory_bytes,
               .version = std::string(found.version.begin(), end)};
    return Ok{};
}

// Until the one that ends the file.
Result<> SnapshotReader::find_sections(std::span<const std::byte> sections) {
    while (sections.size() >= sizeof(SectionHeader)) {
        const auto found = header_of<SectionHeader>(sections);
        const auto behind = sections.subspan(sizeof found);
        if (!std::ranges::all_of(found.tag.text(), is_printable))
            return Error{"snapshot", 0, "has a section whose tag is not of four characters"};
        if (const char* const wrong = wrong_with(found, behind); wrong != nullptr)
            return about_section({"section's header", 0, wrong}, found.tag, found.index);
        if (found.tag == kEnd) return Ok{};
        if (has(found.tag, found.index))
            return about_section({"is there twice"}, found.tag, found.index);
        if (sections_.size() == kMostSections)
            return about_section({kOneTooMany}, found.tag, found.index);
        sections_.push_back(
            {.tag = found.tag,
             .index = found.index,
             .unknown = found.flags == kMayBeSkipped ? Unknown::kSkipped : Unknown::kRefused,
             .payload = behind.first(found.bytes)});
        sections = behind.subspan(found.bytes + padding_of(found.bytes));
    }
    return Error{"snapshot", 0, "does not end with the section that ends it"};
}

const SnapshotReader::Section* SnapshotReader::find(SectionTag tag, uint16_t index) const {
    const auto at = std::ranges::find_if(sections_, [&](const Section& section) {
        return section.tag == tag && section.index == index;
    });
    return at == sections_.end() ? nullptr : &*at;
}

bool SnapshotReader::has(SectionTag tag, uint16_t index) const {
    return find(tag, index) != nullptr;
}

size_t SnapshotReader::count(SectionTag tag) const {
    return static_cast<size_t>(std::ranges::count(sections_, tag, &Section::tag));
}

Result<std::span<const std::byte>> SnapshotReader::take(SectionTag tag, uint16_t index) {
    const Section* const found = find(tag, index);
    if (found == nullptr) return about_section({"is missing"}, tag, index);
    if (found->is_read) return about_section({"is read twice"}, tag, index);
    sections_[static_cast<size_t>(found - sections_.data())].is_read = true;
    return found->payload;
}

Result<> SnapshotReader::expect_all_read() const {
    for (const Section& section : sections_) {
        if (section.is_read || section.unknown == Unknown::kSkipped) continue;
        return about_section({"is unknown", 0, "a newer release wrote it, or it is one too many"},
                             section.tag, section.index);
    }
    return Ok{};
}
