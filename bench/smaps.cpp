#include "bench/smaps.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/unique_fd.hpp"

namespace {

Result<uint64_t> take_number(std::string_view& text, int base) {
    uint64_t number = 0;
    const auto [rest, error] = std::from_chars(text.begin(), text.end(), number, base);
    if (error != std::errc{}) return Error{"smaps", EINVAL, "a number is missing"};
    text.remove_prefix(static_cast<size_t>(rest - text.data()));
    return number;
}

void skip_blanks(std::string_view& text) {
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
}

// "7f0c2000-7f0c4000 rw-p 00000000 00:00 0    [heap]"
Result<MemoryArea> parse_area(std::string_view line) {
    MemoryArea area{};
    area.start = TRY(take_number(line, 16));
    if (line.empty() || line.front() != '-') return Error{"smaps", EINVAL, "a range has no end"};
    line.remove_prefix(1);
    area.end = TRY(take_number(line, 16));
    if (area.end <= area.start) return Error{"smaps", EINVAL, "a range is empty"};
    // Permissions, offset, device and inode come before the name.
    for (int column = 0; column < 4; ++column) {
        skip_blanks(line);
        line.remove_prefix(std::min(line.find(' '), line.size()));
    }
    skip_blanks(line);
    area.name = line;
    return area;
}

// Adds a detail such as "Private_Dirty:         8 kB" to `area`.
Result<> add_detail(std::string_view line, MemoryArea& area) {
    const size_t colon = line.find(':');
    const std::string_view key = line.substr(0, colon);
    const bool is_private = key == "Private_Clean" || key == "Private_Dirty";
    if (!is_private && key != "Rss") return Ok{};
    line.remove_prefix(colon + 1);
    skip_blanks(line);
    const uint64_t kib = TRY(take_number(line, 10));
    (is_private ? area.private_kib : area.resident_kib) += kib;
    return Ok{};
}

// A detail's key is one word that ends in a colon; an area's line has a blank before any colon.
bool is_detail(std::string_view line) {
    const size_t mark = line.find_first_of(": ");
    return mark != std::string_view::npos && line[mark] == ':';
}

}  // namespace

Result<std::vector<MemoryArea>> parse_smaps(std::string_view text) {
    std::vector<MemoryArea> areas;
    while (!text.empty()) {
        const size_t length = std::min(text.find('\n'), text.size());
        const std::string_view line = text.substr(0, length);
        text.remove_prefix(std::min(length + 1, text.size()));
        if (!is_detail(line)) {
            areas.push_back(TRY(parse_area(line)));
        } else if (areas.empty()) {
            return Error{"smaps", EINVAL, "a detail comes before any area"};
        } else {
            TRY(add_detail(line, areas.back()));
        }
    }
    return areas;
}

Result<std::string> read_smaps(pid_t pid) {
    const std::string path = "/proc/" + std::to_string(pid) + "/smaps";
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return Error::from_errno("open /proc/PID/smaps");
    std::string text;
    std::array<char, 16384> part{};
    for (;;) {
        const ssize_t got = ::read(file.get(), part.data(), part.size());
        if (got < 0) return Error::from_errno("read /proc/PID/smaps");
        if (got == 0) return text;
        text.append(part.data(), static_cast<size_t>(got));
    }
}

Result<std::span<const MemoryArea>> find_guest_ram(std::span<const MemoryArea> areas,
                                                   uint64_t size_bytes) {
    std::span<const MemoryArea> best;
    uint64_t best_resident = 0;
    for (size_t first = 0; first < areas.size(); ++first) {
        uint64_t total = 0;
        uint64_t resident = 0;
        for (size_t last = first; last < areas.size() && total < size_bytes; ++last) {
            if (last > first && areas[last].start != areas[last - 1].end) break;
            total += areas[last].size();
            resident += areas[last].resident_kib;
            if (total == size_bytes && (best.empty() || resident > best_resident)) {
                best = areas.subspan(first, last - first + 1);
                best_resident = resident;
            }
        }
    }
    if (best.empty()) return Error{"guest RAM", ENOENT, "no mapping has its size"};
    return best;
}

uint64_t total_private_kib(std::span<const MemoryArea> areas) {
    uint64_t total = 0;
    for (const MemoryArea& area : areas) total += area.private_kib;
    return total;
}
