#include "rootfs/mkimage/pax_records.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <tuple>

#include "rootfs/mkimage/posix_acl.hpp"

namespace {

constexpr Error kMalformed{.what = "pax header", .code = 0, .hint = "is malformed"};

Result<timespec> parse_time(std::string_view text) {
    constexpr const char* kName = "time of modification";
    constexpr long kSecond = 1'000'000'000;
    const bool is_negative = text.starts_with('-');
    if (is_negative) text.remove_prefix(1);
    const size_t point = std::min(text.find('.'), text.size());
    const uint64_t seconds = TRY(parse_decimal(text.substr(0, point), kName));
    if (seconds > static_cast<uint64_t>(std::numeric_limits<int64_t>::max() - 1))
        return Error{kName, ERANGE};
    std::string fraction(text.substr(std::min(point + 1, text.size())));
    for (const char digit : fraction)
        if (digit < '0' || digit > '9') return Error{kName, EINVAL};
    fraction.resize(9, '0');
    const auto nanoseconds = static_cast<long>(TRY(parse_decimal(fraction, kName)));
    const auto whole = static_cast<int64_t>(seconds);
    if (!is_negative) return timespec{.tv_sec = whole, .tv_nsec = nanoseconds};
    if (nanoseconds == 0) return timespec{.tv_sec = -whole, .tv_nsec = 0};
    return timespec{.tv_sec = -whole - 1, .tv_nsec = kSecond - nanoseconds};
}

Result<std::string> parse_name(const std::string& value, const char* what) {
    if (value.find('\0') != std::string::npos) return Error{what, 0, "has a NUL in it"};
    return value;
}

int hexadecimal(char digit) {
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    return -1;
}

// As libarchive writes names of extended attributes.
std::string decode_url(std::string_view text) {
    std::string result;
    for (size_t i = 0; i < text.size(); ++i) {
        const bool is_coded = text[i] == '%' && i + 2 < text.size() &&
                              hexadecimal(text[i + 1]) >= 0 && hexadecimal(text[i + 2]) >= 0;
        result += is_coded
                      ? static_cast<char>(hexadecimal(text[i + 1]) * 16 + hexadecimal(text[i + 2]))
                      : text[i];
        if (is_coded) i += 2;
    }
    return result;
}

Result<std::string> decode_base64(std::string_view text) {
    constexpr std::string_view kDigits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    while (text.ends_with('=')) text.remove_suffix(1);
    std::string result;
    uint32_t bits = 0;
    unsigned count = 0;
    for (const char digit : text) {
        const size_t value = kDigits.find(digit);
        if (value == std::string_view::npos) return Error{"extended attribute", 0, "is no base64"};
        bits = bits << 6U | static_cast<uint32_t>(value);
        count += 6;
        if (count < 8) continue;
        count -= 8;
        result += static_cast<char>(bits >> count);
    }
    return result;
}

// Of the keywords that begin with `prefix`, what follows it; global ones come first.
template <typename Use>
Result<> for_each_with(const PaxRecords& records, std::string_view prefix, const Use& use) {
    if (records.global != nullptr) TRY(for_each_with(*records.global, prefix, use));
    for (auto it = records.values.lower_bound(prefix);
         it != records.values.end() && it->first.starts_with(prefix); ++it)
        TRY(use(it->first.substr(prefix.size()), it->second));
    return Ok{};
}

Result<> apply_xattrs(const PaxRecords& records, TarEntry& entry) {
    const auto set = [&](const std::string& name, std::string value) -> Result<> {
        entry.xattrs[TRY(parse_name(name, "extended attribute"))] = std::move(value);
        return Ok{};
    };
    // Who writes both forms means the same, and this one is the plainer.
    TRY(for_each_with(records, "LIBARCHIVE.xattr.",
                      [&](const std::string& name, const std::string& value) -> Result<> {
                          return set(decode_url(name), TRY(decode_base64(value)));
                      }));
    TRY(for_each_with(records, "SCHILY.xattr.", set));
    for (const auto& [keyword, name, use] :
         {std::tuple{"SCHILY.acl.access", "system.posix_acl_access", AclUse::kAccess},
          std::tuple{"SCHILY.acl.default", "system.posix_acl_default", AclUse::kDefault}}) {
        const std::string* const text = records.find(keyword);
        if (text == nullptr) continue;
        const std::string acl = TRY(encode_posix_acl(*text, use));
        if (!acl.empty()) entry.xattrs[name] = acl;
    }
    if (const std::string* const label = records.find("RHT.security.selinux"))
        entry.xattrs["security.selinux"] = *label;
    return Ok{};
}

// What no image of ours could keep.
Result<> refuse_what_is_lost(const PaxRecords& records) {
    constexpr std::array kLost = {
        std::pair{"SCHILY.acl.ace", "are NFSv4 access lists, which Linux does not have"},
        std::pair{"SCHILY.fflags", "are file flags, which images do not keep; archive without"},
        std::pair{"SUN.holesdata", "is a sparse file in a form that is not known"}};
    for (const auto& [keyword, hint] : kLost)
        if (records.find(keyword) != nullptr) return Error{keyword, 0, hint};
    return Ok{};
}

Result<> apply_names(const PaxRecords& records, TarEntry& entry) {
    // GNU tar puts another name in "path", for programs that do not know its sparse files.
    for (const char* const keyword : {"path", "GNU.sparse.name"})
        if (const std::string* const path = records.find(keyword))
            entry.path = TRY(parse_name(*path, "path"));
    if (const std::string* const target = records.find("linkpath"))
        entry.target = TRY(parse_name(*target, "link"));
    return Ok{};
}

Result<> apply_numbers(const PaxRecords& records, TarEntry& entry) {
    constexpr auto kMost = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
    for (const auto& [keyword, to] :
         {std::pair{"uid", &entry.owner}, std::pair{"gid", &entry.group}})
        if (const std::string* const text = records.find(keyword))
            *to = static_cast<int64_t>(std::min(TRY(parse_decimal(*text, "owner")), kMost));
    for (const auto& [keyword, to] :
         {std::pair{"SCHILY.devmajor", &entry.major}, std::pair{"SCHILY.devminor", &entry.minor}})
        if (const std::string* const text = records.find(keyword))
            *to = TRY(parse_decimal(*text, "device node"));
    if (const std::string* const text = records.find("mtime"))
        entry.modified = TRY(parse_time(*text));
    return Ok{};
}

// Those that may be said several times, pair by pair. Returns whether it was one of them.
Result<bool> add_segment(std::string_view keyword, std::string_view value, PaxRecords& records) {
    if (keyword == "GNU.sparse.offset") {
        records.segments.push_back({TRY(parse_decimal(value, "sparse file")), 0});
        return true;
    }
    if (keyword != "GNU.sparse.numbytes") return false;
    if (records.segments.empty()) return kMalformed;
    records.segments.back().size = TRY(parse_decimal(value, "sparse file"));
    return true;
}

}  // namespace

const std::string* PaxRecords::find(std::string_view keyword) const {
    const auto it = values.find(keyword);
    if (it == values.end()) return global == nullptr ? nullptr : global->find(keyword);
    return it->second.empty() ? nullptr : &it->second;
}

Result<uint64_t> PaxRecords::number(std::string_view keyword, uint64_t otherwise) const {
    const std::string* const text = find(keyword);
    return text == nullptr ? otherwise : parse_decimal(*text, "size");
}

bool PaxRecords::says_segments() const {
    return find("GNU.sparse.major") != nullptr || find("GNU.sparse.map") != nullptr ||
           find("GNU.sparse.numblocks") != nullptr;
}

Result<std::vector<TarSegment>> PaxRecords::all_segments() const {
    const std::string* const map = find("GNU.sparse.map");
    if (map == nullptr) return segments;
    std::vector<TarSegment> result;
    for (std::string_view rest = *map; !rest.empty();) {
        std::array<uint64_t, 2> pair{};
        for (uint64_t& value : pair) {
            const std::string_view digits = rest.substr(0, rest.find(','));
            value = TRY(parse_decimal(digits, "sparse file"));
            rest.remove_prefix(std::min(rest.size(), digits.size() + 1));
        }
        result.push_back({pair[0], pair[1]});
    }
    return result;
}

Result<uint64_t> parse_decimal(std::string_view text, const char* name) {
    constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
    if (text.empty()) return Error{name, EINVAL};
    uint64_t value = 0;
    for (const char digit : text) {
        if (digit < '0' || digit > '9') return Error{name, EINVAL};
        const auto unit = static_cast<unsigned>(digit - '0');
        if (value > (kMost - unit) / 10) return Error{name, ERANGE};
        value = value * 10 + unit;
    }
    return value;
}

// "LENGTH KEYWORD=VALUE\n", one after the other; the length counts itself and the newline.
Result<> parse_pax_records(std::string_view text, PaxRecords& records) {
    while (!text.empty() && text.front() != '\0') {
        const size_t blank = std::min(text.find(' '), text.size());
        const auto length = parse_decimal(text.substr(0, blank), "pax header");
        if (!length.ok() || length.value() > text.size() || length.value() < blank + 2)
            return kMalformed;
        std::string_view record = text.substr(blank + 1, length.value() - blank - 1);
        text.remove_prefix(length.value());
        const size_t equals = record.find('=');
        if (!record.ends_with('\n') || equals == std::string_view::npos || equals == 0)
            return kMalformed;
        record.remove_suffix(1);
        const std::string_view keyword = record.substr(0, equals);
        const std::string_view value = record.substr(equals + 1);
        if (!TRY(add_segment(keyword, value, records)))
            records.values.insert_or_assign(std::string(keyword), std::string(value));
    }
    return Ok{};
}

Result<> apply_pax_records(const PaxRecords& records, TarEntry& entry) {
    TRY(refuse_what_is_lost(records));
    TRY(apply_names(records, entry));
    TRY(apply_numbers(records, entry));
    return apply_xattrs(records, entry);
}
