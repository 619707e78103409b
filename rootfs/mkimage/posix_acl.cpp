#include "rootfs/mkimage/posix_acl.hpp"

#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <tuple>
#include <vector>

#include "rootfs/mkimage/pax_records.hpp"

namespace {

constexpr Error kMalformed{.what = "access control list", .code = 0, .hint = "is malformed"};
constexpr uint32_t kNobody = 0xffffffff;  // ACL_UNDEFINED_ID

struct AclEntry {
    uint16_t tag;
    uint16_t permissions;
    uint32_t id;

    // The order that Linux wants them in.
    bool operator<(const AclEntry& other) const {
        return std::tie(tag, id) < std::tie(other.tag, other.id);
    }
};

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
    std::vector<std::string_view> parts;
    for (;;) {
        const size_t end = std::min(text.find_first_of(separators), text.size());
        parts.push_back(text.substr(0, end));
        if (end == text.size()) return parts;
        text.remove_prefix(end + 1);
    }
}

std::string_view trimmed(std::string_view text) {
    const size_t start = std::min(text.find_first_not_of(" \t"), text.size());
    text.remove_prefix(start);
    const size_t comment = std::min(text.find('#'), text.size());
    return text.substr(0, text.substr(0, comment).find_last_not_of(" \t") + 1);
}

Result<uint16_t> parse_permissions(std::string_view text) {
    uint16_t permissions = 0;
    for (const char letter : text) {
        constexpr std::string_view kLetters = "xwr";
        const size_t bit = kLetters.find(letter);
        if (bit == std::string_view::npos && letter != '-') return kMalformed;
        if (letter != '-') permissions |= static_cast<uint16_t>(1U << bit);
    }
    return permissions;
}

// By its number: the archive's own says so behind the permissions, as names mean nothing elsewhere.
Result<uint32_t> parse_id(std::string_view name, std::string_view number) {
    const auto id = parse_decimal(number.empty() ? name : number, "access control list");
    if (!id.ok() || id.value() >= kNobody)
        return Error{"access control list", 0,
                     "has a user or group without a number; archive it with --numeric-owner"};
    return static_cast<uint32_t>(id.value());
}

Result<AclEntry> parse_entry(std::string_view text) {
    const std::vector<std::string_view> parts = split(text, ":");
    if (parts.size() < 2 || parts.size() > 4) return kMalformed;
    const std::string_view kind = parts[0];
    // "mask:rwx" and "other:rwx" are seen as well.
    const bool is_short = parts.size() == 2;
    const std::string_view name = is_short ? "" : parts[1];
    AclEntry entry{.tag = 0,
                   .permissions = TRY(parse_permissions(is_short ? parts[1] : parts[2])),
                   .id = kNobody};
    if (kind == "user" || kind == "u") {
        entry.tag = name.empty() ? ACL_USER_OBJ : ACL_USER;
    } else if (kind == "group" || kind == "g") {
        entry.tag = name.empty() ? ACL_GROUP_OBJ : ACL_GROUP;
    } else if (kind == "mask" || kind == "m") {
        entry.tag = ACL_MASK;
    } else if (kind == "other" || kind == "o") {
        entry.tag = ACL_OTHER;
    } else {
        return kMalformed;
    }
    if (!name.empty() && (entry.tag == ACL_MASK || entry.tag == ACL_OTHER)) return kMalformed;
    if (!name.empty()) entry.id = TRY(parse_id(name, parts.size() == 4 ? parts[3] : ""));
    return entry;
}

template <typename Number>
void append(Number number, std::string& to) {
    for (size_t i = 0; i < sizeof(number); ++i) to += static_cast<char>(number >> (8 * i) & 0xffU);
}

}  // namespace

Result<std::string> encode_posix_acl(std::string_view text, AclUse use) {
    std::vector<AclEntry> entries;
    for (const std::string_view part : split(text, ",\n")) {
        const std::string_view entry = trimmed(part);
        if (!entry.empty()) entries.push_back(TRY(parse_entry(entry)));
    }
    std::ranges::sort(entries, [](const auto& a, const auto& b) { return a < b; });
    const bool has_more = std::ranges::any_of(entries, [](const AclEntry& entry) {
        return entry.tag == ACL_USER || entry.tag == ACL_GROUP || entry.tag == ACL_MASK;
    });
    if (!has_more && use == AclUse::kAccess) entries.clear();
    std::string value;
    if (entries.empty()) return value;
    append(uint32_t{POSIX_ACL_XATTR_VERSION}, value);
    for (const AclEntry& entry : entries) {
        append(entry.tag, value);
        append(entry.permissions, value);
        append(entry.id, value);
    }
    return value;
}
