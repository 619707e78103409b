// How much archives may unpack to, by how large they are: a kilobyte can be terabytes, and who has
// room for them need not want them. Main thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/result.hpp"

class Expansion {
public:
    // A root file system is three to ten times its archive.
    static constexpr uint64_t kDefaultTimes = 64;
    // Small archives may be of zeros.
    static constexpr uint64_t kAlwaysAllowed = uint64_t{64} << 20U;
    // What a name takes, whatever is in it: its inode, its entry in a folder.
    static constexpr uint64_t kEntryBytes = 1024;

    explicit Expansion(uint64_t times = kDefaultTimes, uint64_t always = kAlwaysAllowed)
        : times_(times), always_(always) {}

    // A further archive begins. What is in archives that were themselves in one is no more than
    // those: after seal() none adds to what is allowed.
    void begin_archive() { before_ += std::exchange(archive_, 0); }
    void seal() { is_sealed_ = true; }

    // So many bytes of the archive at hand are known: its size, or what was read of a stream.
    void note_archive(uint64_t bytes) {
        if (!is_sealed_) archive_ = std::max(archive_, bytes);
    }

    // Takes from what is allowed. Errors: it is not enough.
    Result<> take(uint64_t bytes) {
        const uint64_t known = before_ + archive_;
        const uint64_t allowed =
            known > (UINT64_MAX - always_) / times_ ? UINT64_MAX : always_ + known * times_;
        if (bytes > allowed || taken_ > allowed - bytes)
            return Error{"archive", 0,
                         "unpacked it would be out of proportion to its size, as a bomb is; if it "
                         "is none, --max-expansion allows more"};
        taken_ += bytes;
        return Ok{};
    }

private:
    uint64_t times_;
    uint64_t always_;
    uint64_t before_ = 0;   // bytes of the archives before
    uint64_t archive_ = 0;  // of the one at hand
    uint64_t taken_ = 0;
    bool is_sealed_ = false;
};
