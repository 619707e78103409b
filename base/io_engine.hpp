// Asynchronous I/O, as the I/O thread, disks and TAPs see it: requests over files that are known
// beforehand, submitted in batches, completed in batches.
//
// Two engines keep this contract: base/ring on io_uring, base/plain_engine on ordinary system
// calls.
//
// The machine creates the engine, adds files and targets to it, and hands it to the I/O thread,
// which calls start() and is from then on the only thread to touch it.
//
// An engine owns no memory of a request: the iovecs and what they point at, the files and the
// targets stay valid until the request's last completion has been delivered. Whoever destroys an
// engine has waited until in_flight() counts no request that moves data.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "base/pinned.hpp"
#include "base/result.hpp"

// A file of an engine, from add_file(). Not a descriptor.
enum class IoFile : uint32_t {};

// Names one request. An index and a generation instead of a pointer: a completion that arrives
// late, after its slot was given to another request, is recognised and dropped by its target.
// Unique among the requests in flight.
struct IoTag {
    uint16_t target;      // whom to tell, from add_target()
    uint16_t slot;        // the target's own
    uint32_t generation;  // the target's own

    bool operator==(const IoTag&) const = default;
};

struct IoCompletion {
    IoTag tag;
    // Bytes moved, or 0, or the poll events that are up; negative: an errno value.
    // Fewer bytes than asked for means the end of the file, or that the rest must be asked for
    // again: a second request tells the two apart.
    int32_t result;
    // True for a multishot poll that stays armed. Every request has exactly one completion where
    // this is false, and it is its last; a multishot poll that ends so must be asked for again.
    bool more;
};

// Who is told of completions. Called on the engine's thread, from within wait(); it may prepare,
// cancel and submit requests, but not wait.
class IoTarget {
public:
    virtual void complete(const IoCompletion& completion) = 0;
};

enum class IoOperation : uint8_t {
    kRead,
    kWrite,
    kFsync,
    kFdatasync,
    kFallocate,
    kPoll,
    kPollMultishot
};

struct IoRequest {
    IoOperation operation;
    IoFile file;
    IoTag tag;
    std::span<const iovec> vectors{};  // kRead, kWrite; at most 1024
    uint64_t offset = 0;               // kRead, kWrite, kFallocate; in bytes
    uint64_t length = 0;               // kFallocate; in bytes
    uint32_t flags = 0;                // kFallocate: FALLOC_FL_*; kPoll*: POLLIN, POLLOUT
};

class IoEngine : private Pinned {
public:
    // The offset for files without positions: TAPs, eventfds, pipes.
    static constexpr uint64_t kStream = std::numeric_limits<uint64_t>::max();
    static constexpr uint64_t kForever = std::numeric_limits<uint64_t>::max();

    virtual ~IoEngine() = default;

    // What a person calls it: "io_uring" or "plain I/O".
    virtual const char* name() const = 0;

    // True if io_uring_enter is all that the engine asks of the kernel once it has started.
    virtual bool is_uring() const = 0;

    // Makes `fd` known. It stays the caller's, and open, for the life of the engine. Give a stream
    // whose reads shall wait without O_NONBLOCK. Before start() only.
    // Errors: EBUSY (the engine has started), EBADF.
    virtual Result<IoFile> add_file(int fd) = 0;

    // `file` is `fd` from now on, for requests that are prepared later; those in flight go on with
    // the old one, which may be closed when they have ended. The engine's thread, once it has
    // started. Errors: EBADF; EACCES where the engine was not made for it.
    virtual Result<> replace_file(IoFile file, int fd) = 0;

    // The value for IoTag::target. Before start() only. Errors: ENOSPC (32767 targets).
    Result<uint16_t> add_target(IoTarget& target) {
        if (targets_.size() >= kMostTargets) return Error{"I/O targets", ENOSPC};
        targets_.push_back(&target);
        return static_cast<uint16_t>(targets_.size() - 1);
    }

    // The calling thread becomes the engine's. Nothing but io_uring_enter (see is_uring()), or the
    // system calls of the operations themselves, is needed after this: the place to filter them.
    virtual Result<> start() = 0;

    // The next ones prepare a request: nothing happens before submit() or wait(). Requests are not
    // ordered among themselves; an fsync covers the writes that were completed before it was
    // prepared. What is wrong with a request comes as its result: EBADF (no such file), EINVAL, ...

    // `offset` is in bytes and below 2^63, or kStream.
    void readv(IoFile file, std::span<const iovec> vectors, uint64_t offset, IoTag tag) {
        prepare({IoOperation::kRead, file, tag, vectors, offset});
    }
    void writev(IoFile file, std::span<const iovec> vectors, uint64_t offset, IoTag tag) {
        prepare({IoOperation::kWrite, file, tag, vectors, offset});
    }
    void fsync(IoFile file, IoTag tag) { prepare({IoOperation::kFsync, file, tag}); }
    void fdatasync(IoFile file, IoTag tag) { prepare({IoOperation::kFdatasync, file, tag}); }
    // `mode`: FALLOC_FL_* of fallocate(2). Offset and length in bytes.
    void fallocate(IoFile file, uint32_t mode, uint64_t offset, uint64_t length, IoTag tag) {
        prepare({IoOperation::kFallocate, file, tag, {}, offset, length, mode});
    }
    // Completes when one of `events` (POLLIN, POLLOUT) is up, at once if it is already.
    void poll(IoFile file, uint32_t events, IoTag tag) {
        prepare({IoOperation::kPoll, file, tag, {}, 0, 0, events});
    }
    // Completes again and again: at each change (io_uring), or for as long as the events are up
    // (plain I/O, see repeats_polls()). Take all there is on every completion.
    void poll_multishot(IoFile file, uint32_t events, IoTag tag) {
        prepare({IoOperation::kPollMultishot, file, tag, {}, 0, 0, events});
    }
    virtual void prepare(const IoRequest& request) = 0;

    // True if a multishot poll completes as long as its events are up: who has seen them takes them
    // down.
    virtual bool repeats_polls() const = 0;

    // Asks for the end of one request. Its last completion still comes, with -ECANCELED or with
    // what it had come to by then; until then its memory stays in use. An unknown tag is ignored.
    virtual void cancel(IoTag tag) = 0;

    // Hands over all that is prepared, in one system call if it fits the ring. What the kernel has
    // no memory for now stays prepared. Errors: as io_uring_enter(2), none that a request causes.
    virtual Result<> submit() = 0;

    // Submits, waits for a completion at most `timeout_ns`, and delivers all that are there.
    // Returns how many; 0 after a timeout, a signal, or for want of memory. 0 for `timeout_ns`
    // only looks. To wait kForever with nothing in flight is to wait forever.
    virtual Result<size_t> wait(uint64_t timeout_ns) = 0;

    // Requests whose last completion has not been delivered.
    size_t in_flight() const { return in_flight_; }

protected:
    // An engine may mark some requests in the highest bit.
    static constexpr uint16_t kMostTargets = 0x7fff;
    // Marks an engine's own requests.
    static constexpr uint16_t kNoTarget = std::numeric_limits<uint16_t>::max();

    void count_request() { ++in_flight_; }
    void deliver(const IoCompletion& completion) {
        if (!completion.more) --in_flight_;
        if (completion.tag.target < targets_.size())
            targets_[completion.tag.target]->complete(completion);
    }

private:
    std::vector<IoTarget*> targets_;
    size_t in_flight_ = 0;
};
