// The I/O engine on io_uring: one ring per VM, on the I/O thread. Contract and ownership:
// base/io_engine.hpp; what the ring may do: base/restricted_uring.hpp.
//
// More requests may be prepared than the ring has entries: the rest waits in order, in memory of
// ours, and follows during submit(). There is no kernel polling thread and no registered buffer:
// the one costs a core, the other pins all of the guest's RAM.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/io_engine.hpp"
#include "base/passkey.hpp"
#include "base/restricted_uring.hpp"

class Ring final : public IoEngine {
public:
    // `entries`: how many requests go in one system call, and 1/4 of the completions that one wait
    // can deliver. Errors: as RestrictedUring::create; each says why io_uring is not to be had.
    static Result<std::unique_ptr<Ring>> create(unsigned entries,
                                                RingFiles files = RingFiles::kFixed);
    Ring(Passkey<Ring> /*key*/, std::unique_ptr<RestrictedUring> uring, RingFiles files)
        : uring_(std::move(uring)), renews_polls_(files == RingFiles::kReplaceable) {}

    const char* name() const override { return "io_uring"; }
    bool is_uring() const override { return true; }
    Result<IoFile> add_file(int fd) override;
    // Needs RingFiles::kReplaceable, and io_uring_register beside io_uring_enter.
    Result<> replace_file(IoFile file, int fd) override;
    Result<> start() override;
    bool repeats_polls() const override { return false; }
    void prepare(const IoRequest& request) override;
    void cancel(IoTag tag) override;
    Result<> submit() override;
    Result<size_t> wait(uint64_t timeout_ns) override;

private:
    // A poll that is in flight. Before 6.13 Linux keeps a file that was replaced for as long as any
    // request is in flight that is older, whatever file that is on, and a poll may be for as long
    // as the VM. So these are ended and begun anew when a file is replaced.
    struct Poll {
        IoRequest request;
        bool is_cancelled = false;  // by its target, which is told then
    };

    io_uring_sqe& next_entry();
    void put(const IoRequest& request);
    void put_cancel(IoTag tag);
    // True if the completion is the end of a poll that has begun anew.
    bool is_renewed(const IoCompletion& completion);
    void refill();
    size_t dispatch();

    std::unique_ptr<RestrictedUring> uring_;
    std::vector<int> files_;             // index = IoFile
    std::vector<io_uring_sqe> backlog_;  // what did not fit the ring yet, oldest first
    std::vector<Poll> polls_;            // only if renews_polls_
    const bool renews_polls_;
    bool has_started_ = false;
};
