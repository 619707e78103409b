// An I/O engine whose only file is memory, and whose requests end when and as a script says. For
// fuzz targets: no system call, no thread, no clock. One thread.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>
#include <vector>

#include "base/io_engine.hpp"

class MemoryEngine final : public IoEngine {
public:
    explicit MemoryEngine(size_t size_bytes) : bytes_(size_bytes) {}

    // --- The script -----------------------------------------------------------------------------

    std::span<std::byte> bytes() { return bytes_; }
    // Requests that have neither been performed nor failed.
    size_t pending() const { return pending_.size(); }

    // Ends the request at `index`; the next wait() delivers it. A transfer moves `most_bytes` at
    // most.
    void perform(size_t index, size_t most_bytes) {
        const IoRequest request = pending_[index];
        end(index, transfer(request, most_bytes));
    }
    void fail(size_t index, int error) { end(index, -error); }

    // --- IoEngine -------------------------------------------------------------------------------

    const char* name() const override { return "memory"; }
    bool is_uring() const override { return false; }
    Result<IoFile> add_file(int /*fd*/) override { return IoFile{0}; }
    Result<> replace_file(IoFile /*file*/, int /*fd*/) override { return Ok{}; }
    Result<> start() override { return Ok{}; }
    bool repeats_polls() const override { return false; }
    void prepare(const IoRequest& request) override {
        count_request();
        pending_.push_back(request);
    }
    void cancel(IoTag /*tag*/) override {}  // a request may well end as if nobody had asked
    Result<> submit() override { return Ok{}; }
    Result<size_t> wait(uint64_t /*timeout_ns*/) override {
        const std::vector<IoCompletion> delivering = std::exchange(done_, {});
        for (const IoCompletion& completion : delivering) deliver(completion);
        return delivering.size();
    }

private:
    void end(size_t index, int32_t result) {
        done_.push_back({pending_[index].tag, result, false});
        pending_.erase(pending_.begin() + static_cast<ptrdiff_t>(index));
    }

    int32_t transfer(const IoRequest& request, size_t most_bytes) {
        if (request.operation == IoOperation::kFallocate) return erase(request);
        const bool is_read = request.operation == IoOperation::kRead;
        if (!is_read && request.operation != IoOperation::kWrite) return 0;
        // A stream has one frame of any length, over and over.
        uint64_t at = request.offset == kStream ? 0 : request.offset;
        size_t moved = 0;
        for (const iovec& vector : request.vectors) {
            if (at >= bytes_.size() || moved == most_bytes) break;
            const size_t length =
                std::min({vector.iov_len, bytes_.size() - at, most_bytes - moved});
            if (is_read) {
                std::memcpy(vector.iov_base, bytes_.data() + at, length);
            } else {
                std::memcpy(bytes_.data() + at, vector.iov_base, length);
            }
            at += length;
            moved += length;
        }
        return static_cast<int32_t>(moved);
    }

    int32_t erase(const IoRequest& request) {
        if (request.offset > bytes_.size() || request.length > bytes_.size() - request.offset)
            return -EINVAL;
        std::fill_n(bytes_.begin() + static_cast<ptrdiff_t>(request.offset), request.length,
                    std::byte{0});
        return 0;
    }

    std::vector<std::byte> bytes_;
    std::vector<IoRequest> pending_;
    std::vector<IoCompletion> done_;
};
