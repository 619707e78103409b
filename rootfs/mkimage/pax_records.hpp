// The records of a pax extended header: what a ustar header has no room or no field for (POSIX,
// pax, "pax Extended Header"), and what GNU tar, star and libarchive have added. Values are bytes,
// whatever character set hdrcharset names. Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "rootfs/mkimage/tar_entry.hpp"

struct PaxRecords {
    std::map<std::string, std::string, std::less<>> values{};
    std::vector<TarSegment> segments{};  // of GNU's sparse files 0.0, which repeat a keyword
    const PaxRecords* global = nullptr;  // what holds for a keyword that these say nothing of

    // nullptr: there is none, or it is empty, which takes back a global one.
    const std::string* find(std::string_view keyword) const;
    // Errors: there is one, and it is no number.
    Result<uint64_t> number(std::string_view keyword, uint64_t otherwise) const;

    // Of GNU's sparse files, whose parts are said here or (1.0) before their content.
    bool says_segments() const;
    Result<std::vector<TarSegment>> all_segments() const;
};

// Adds what `text` says; it goes before what was there. Errors: malformed.
Result<> parse_pax_records(std::string_view text, PaxRecords& records);

// Takes over into `entry` all but sizes and sparse files. Errors: a value is none, or of what no
// image can keep.
Result<> apply_pax_records(const PaxRecords& records, TarEntry& entry);

// Decimal digits and nothing else. Errors are `name`'s.
Result<uint64_t> parse_decimal(std::string_view text, const char* name);
