#include "rootfs/mkimage/tar_header.hpp"

#include <algorithm>
#include <limits>

namespace {

struct Field {
    size_t offset;
    size_t size;
};
constexpr Field kName{0, 100};
constexpr Field kMode{100, 8};
constexpr Field kOwner{108, 8};
constexpr Field kGroup{116, 8};
constexpr Field kSize{124, 12};
constexpr Field kModified{136, 12};
constexpr Field kChecksum{148, 8};
constexpr size_t kType = 156;
constexpr Field kTarget{157, 100};
constexpr Field kMagic{257, 8};
constexpr Field kMajor{329, 8};
constexpr Field kMinor{337, 8};
constexpr Field kPrefix{345, 155};
constexpr Field kStarPrefix{345, 131};  // before two times
constexpr Field kStarMagic{508, 4};
// GNU's old form of sparse files: in the header, and in the blocks after it.
constexpr Field kSegments{386, 96};
constexpr size_t kHasMore = 482;
constexpr Field kRealSize{483, 12};
constexpr Field kMoreSegments{0, 504};
constexpr size_t kHasMoreAgain = 504;

std::string_view bytes_of(const TarBlock& block, Field field) {
    return std::string_view(block.data(), block.size()).substr(field.offset, field.size);
}

// Up to a NUL, if there is one.
std::string text_of(const TarBlock& block, Field field) {
    const std::string_view bytes = bytes_of(block, field);
    return std::string(bytes.substr(0, bytes.find('\0')));
}

// GNU's form for what octal digits have no room for: two's complement, the highest byte first, and
// the highest bit set beside it.
Result<int64_t> parse_binary(std::string_view bytes) {
    const bool is_negative = (static_cast<unsigned char>(bytes.front()) & 0x40U) != 0;
    // All above the lowest eight bytes only repeats the sign.
    uint64_t value = is_negative ? ~uint64_t{0} : 0;
    for (size_t i = 0; i < bytes.size(); ++i) {
        auto byte = static_cast<unsigned char>(bytes[i]);
        if (i == 0) byte = is_negative ? byte : byte & 0x7fU;
        const auto top = static_cast<int64_t>(value) >> 55U;
        if (top != (is_negative ? -1 : 0)) return Error{"number", ERANGE};
        value = value << 8U | byte;
    }
    return static_cast<int64_t>(value);
}

// Blanks and NULs around octal digits; nothing is 0.
Result<int64_t> parse_octal(std::string_view bytes) {
    constexpr std::string_view kAround(" \0", 2);
    const size_t start = std::min(bytes.find_first_not_of(kAround), bytes.size());
    bytes.remove_prefix(start);
    const std::string_view digits = bytes.substr(0, bytes.find_first_of(kAround));
    uint64_t value = 0;
    for (const char digit : digits) {
        if (digit < '0' || digit > '7') return Error{"number", 0, "has no octal digits"};
        if (value >> 60U != 0) return Error{"number", ERANGE};
        value = value << 3U | static_cast<unsigned>(digit - '0');
    }
    return static_cast<int64_t>(value);
}

Result<int64_t> number_of(const TarBlock& block, Field field, const char* name) {
    const std::string_view bytes = bytes_of(block, field);
    const bool is_binary = (static_cast<unsigned char>(bytes.front()) & 0x80U) != 0;
    auto number = is_binary ? parse_binary(bytes) : parse_octal(bytes);
    if (number.ok()) return number;
    Error error = number.error();
    error.what = name;
    return error;
}

Result<uint64_t> amount_of(const TarBlock& block, Field field, const char* name) {
    const int64_t number = TRY(number_of(block, field, name));
    if (number < 0) return Error{name, ERANGE};
    return static_cast<uint64_t>(number);
}

// Segments that are not needed are left empty.
Result<> add_segments(const TarBlock& block, Field field, std::vector<TarSegment>& segments) {
    constexpr size_t kNumber = 12;
    for (size_t at = field.offset; at < field.offset + field.size; at += 2 * kNumber) {
        if (block[at] == '\0') break;
        const uint64_t offset = TRY(amount_of(block, {at, kNumber}, "sparse file"));
        const uint64_t size = TRY(amount_of(block, {at + kNumber, kNumber}, "sparse file"));
        segments.push_back({offset, size});
    }
    return Ok{};
}

// What precedes a name that is too long for its field.
std::string prefix_of(const TarBlock& block) {
    if (!bytes_of(block, kMagic).starts_with(std::string_view("ustar\0", 6))) return "";
    const bool is_star = bytes_of(block, kStarMagic) == std::string_view("tar\0", 4);
    return text_of(block, is_star ? kStarPrefix : kPrefix);
}

}  // namespace

bool is_zero(const TarBlock& block) {
    return std::ranges::all_of(block, [](char byte) { return byte == '\0'; });
}

bool is_tar_header(const TarBlock& block) {
    const auto claimed = parse_octal(bytes_of(block, kChecksum));
    if (!claimed.ok() || is_zero(block)) return false;
    int64_t with_sign = 0;
    int64_t without = 0;
    for (size_t i = 0; i < block.size(); ++i) {
        const bool is_own = i >= kChecksum.offset && i < kChecksum.offset + kChecksum.size;
        const char byte = is_own ? ' ' : block[i];
        with_sign += static_cast<signed char>(byte);
        without += static_cast<unsigned char>(byte);
    }
    return claimed.value() == without || claimed.value() == with_sign;
}

Result<TarHeader> parse_tar_header(const TarBlock& block) {
    TarHeader header;
    header.path = text_of(block, kName);
    if (const std::string prefix = prefix_of(block); !prefix.empty())
        header.path = prefix + "/" + header.path;
    header.target = text_of(block, kTarget);
    header.type = block[kType];
    header.mode = static_cast<mode_t>(TRY(number_of(block, kMode, "mode"))) & 07777U;
    header.owner = TRY(number_of(block, kOwner, "owner"));
    header.group = TRY(number_of(block, kGroup, "group"));
    header.size = TRY(amount_of(block, kSize, "size"));
    header.modified = TRY(number_of(block, kModified, "time of modification"));
    if (header.type == '3' || header.type == '4') {
        header.major = TRY(amount_of(block, kMajor, "device node"));
        header.minor = TRY(amount_of(block, kMinor, "device node"));
    }
    if (header.type == 'S') {
        header.real_size = TRY(amount_of(block, kRealSize, "size"));
        TRY(add_segments(block, kSegments, header.segments));
        header.has_more_segments = block[kHasMore] != '\0';
    }
    return header;
}

Result<bool> parse_more_segments(const TarBlock& block, std::vector<TarSegment>& segments) {
    TRY(add_segments(block, kMoreSegments, segments));
    return block[kHasMoreAgain] != '\0';
}

TarKind kind_of(char type) {
    switch (type) {
        case '\0':
        case '0':
        case '7':  // contiguous, where there was such a thing
        case 'S':
            return TarKind::kFile;
        case '1':
            return TarKind::kHardLink;
        case '2':
            return TarKind::kSymlink;
        case '3':
            return TarKind::kCharDevice;
        case '4':
            return TarKind::kBlockDevice;
        case '5':
        case 'D':  // with a list of what was in it, for increments
            return TarKind::kFolder;
        case '6':
            return TarKind::kFifo;
        default:
            return TarKind::kUnknown;
    }
}
