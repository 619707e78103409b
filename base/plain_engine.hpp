// The I/O engine without io_uring: preadv2, pwritev2, fdatasync, fallocate and poll(2), on the
// calling thread. For hosts where io_uring is disabled. Contract and ownership: base/io_engine.hpp.
//
// Requests are performed in wait(), one round per call. A round performs
//   - every new read and write that needs no waiting: the page cache has it, or the stream,
//   - at most one operation on a file or disk that may block, the oldest,
//   - every read, write and poll of a stream that poll(2) finds ready, once.
// So a slow disk holds up the network and the console for the length of one operation at a time (a
// flush of a slow disk can be long), and a flooded NIC holds up a disk for a few frames.
#pragma once

#include <poll.h>

#include <memory>
#include <vector>

#include "base/io_engine.hpp"
#include "base/passkey.hpp"

class PlainEngine final : public IoEngine {
public:
    static std::unique_ptr<PlainEngine> create();
    explicit PlainEngine(Passkey<PlainEngine> /*key*/) {}

    const char* name() const override { return "plain I/O"; }
    bool is_uring() const override { return false; }
    Result<IoFile> add_file(int fd) override;
    Result<> replace_file(IoFile file, int fd) override;
    Result<> start() override;
    bool repeats_polls() const override { return true; }
    void prepare(const IoRequest& request) override;
    void cancel(IoTag tag) override;
    Result<> submit() override;
    // Errors: as poll(2).
    Result<size_t> wait(uint64_t timeout_ns) override;

private:
    struct File {
        int fd = -1;
        bool is_stream = false;    // neither a regular file nor a block device
        bool takes_nowait = true;  // until RWF_NOWAIT was refused
        bool was_read = false;     // in this round; for streams that refuse RWF_NOWAIT
        bool was_written = false;
    };
    enum class State : uint8_t {
        kNew,
        kMayBlock,  // on a file or disk; RWF_NOWAIT was tried, or cannot be
        kWaits,     // for an event of a stream
    };
    struct Pending {
        IoRequest request;
        State state = State::kNew;
        bool is_done = false;  // its last completion is in done_
    };

    File* find(IoFile file);
    void finish(Pending& pending, int32_t result);
    void perform_new();
    void try_without_waiting(Pending& pending);
    void perform_one();
    Result<> poll_streams(uint64_t timeout_ns);
    void serve_stream(Pending& pending, File& file, short revents);
    size_t dispatch();

    std::vector<File> files_;        // index = IoFile
    std::vector<Pending> prepared_;  // not submitted
    std::vector<Pending> pending_;   // submitted, oldest first
    std::vector<IoCompletion> done_;
    // Kept from round to round for their memory.
    std::vector<IoCompletion> delivering_;
    std::vector<pollfd> polled_;
    bool has_started_ = false;
};
