#include "monitor/boot/page_tables.hpp"

#include <algorithm>
#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <span>

#include "monitor/memory/layout.hpp"

namespace {

// AMD64 APM vol. 2 §5.4.1.
constexpr uint64_t kPresent = 1 << 0;
constexpr uint64_t kWritable = 1 << 1;
constexpr uint64_t kUserPage = 1 << 2;
// Set beforehand, so that the processor (or KVM's shadow paging) need not write to the tables.
constexpr uint64_t kAccessed = 1 << 5;
constexpr uint64_t kDirty = 1 << 6;
constexpr uint64_t kLargePage = 1 << 7;

constexpr uint64_t kGiB = 1 << 30;
constexpr size_t kEntries = 512;  // in a table, of 8 bytes each
constexpr uint64_t kPagesPerGiB = kGiB / layout::kLargePageSize;
static_assert(kPagesPerGiB == kEntries);

// After PML4 and PDPT: a page directory for each GiB in use.
constexpr GuestAddress kPdpt = layout::kPageTables + layout::kPageSize;
constexpr GuestAddress kDirectories = kPdpt + layout::kPageSize;
constexpr size_t kMaxDirectories =
    (layout::kPageTablesEnd.value - kDirectories.value) / layout::kPageSize;

// Entries are written in pieces, and of a table only those that hold something: RAM is fresh and
// zero, and a start touches no page that it need not.
using Piece = std::array<uint64_t, 64>;

constexpr uint64_t round_up(uint64_t value, uint64_t unit) {
    return (value + unit - 1) / unit * unit;
}

struct Run {
    uint64_t start;  // multiples of 2 MiB
    uint64_t end;
};

// The 2 MiB pages to map.
class Runs {
public:
    Runs(std::span<const GuestMemory::Region> ram, PageAccess access) {
        for (const GuestMemory::Region& region : ram) {
            const uint64_t start = region.start.value;
            const uint64_t end = start + region.host.size();
            if (access == PageAccess::kUser)
                add(start, round_up(end, layout::kLargePageSize));
            else if (start == 0)
                add(0, round_up(end, kGiB));
        }
        const uint64_t devices = layout::kBootSignal.value;
        if (access == PageAccess::kUser) add(devices, devices + layout::kLargePageSize);
    }

    // Which of the GiB that one PDPT can describe are in use. False if RAM goes beyond them.
    bool mark_gib(std::bitset<kEntries>& in_use) const {
        for (const Run& run : all()) {
            if (run.end > kEntries * kGiB) return false;
            for (uint64_t gib = run.start / kGiB; gib < round_up(run.end, kGiB) / kGiB; ++gib)
                in_use.set(gib);
        }
        return true;
    }

    std::span<const Run> all() const { return std::span(runs_).first(count_); }

private:
    void add(uint64_t start, uint64_t end) {
        if (start < end && count_ < runs_.size()) runs_[count_++] = {start, end};
    }

    std::array<Run, GuestMemory::kMaxRegions + 1> runs_{};
    size_t count_ = 0;
};

// The entries of `run` in the page directory at `directory`, whose first is of `base`; `flags` go
// into each.
Result<> write_entries(const GuestMemory& memory, GuestAddress directory, uint64_t base,
                       const Run& run, uint64_t flags) {
    const uint64_t end = std::min(run.end, base + kGiB);
    uint64_t page = std::max(run.start, base);
    while (page < end) {
        const GuestAddress at =
            directory + (page - base) / layout::kLargePageSize * sizeof(uint64_t);
        Piece piece;  // NOLINT(cppcoreguidelines-pro-type-member-init): as far as it is filled
        size_t count = 0;
        for (; page < end && count < piece.size(); page += layout::kLargePageSize)
            piece[count++] = page | flags;
        TRY(memory.write_bytes(at, std::as_bytes(std::span(piece).first(count))));
    }
    return Ok{};
}

}  // namespace

Result<GuestAddress> write_page_tables(const GuestMemory& memory,
                                       std::span<const GuestMemory::Region> ram,
                                       PageAccess access) {
    const uint64_t user = access == PageAccess::kUser ? kUserPage : 0;
    const uint64_t to_table = kPresent | kWritable | kAccessed | user;
    const uint64_t to_page = to_table | kDirty | kLargePage;

    const Runs runs(ram, access);
    std::bitset<kEntries> in_use;
    if (!runs.mark_gib(in_use) || in_use.count() > kMaxDirectories)
        return Error{"guest memory", 0,
                     "a user64 guest can have 20 GiB at most; give less --memory"};
    GuestAddress directory = kDirectories;
    for (uint64_t gib = 0; gib < kEntries; ++gib) {
        if (!in_use[gib]) continue;
        for (const Run& run : runs.all())
            TRY(write_entries(memory, directory, gib * kGiB, run, to_page));
        TRY(memory.write(kPdpt + gib * sizeof(uint64_t), directory.value | to_table));
        directory = directory + layout::kPageSize;
    }
    TRY(memory.write(layout::kPageTables, kPdpt.value | to_table));
    return layout::kPageTables;
}
