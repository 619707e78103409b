#include "base/ring.hpp"

#include <fcntl.h>

#include <algorithm>
#include <bit>

namespace {

static_assert(sizeof(IoTag) == sizeof(io_uring_sqe::user_data));

// The tag travels through the kernel as it is.
uint64_t to_user_data(IoTag tag) {
    return std::bit_cast<uint64_t>(tag);
}

// In the target of a poll that may be renewed: so no other completion is looked up.
constexpr uint16_t kPollMark = 0x8000;

IoTag marked(IoTag tag) {
    tag.target |= kPollMark;
    return tag;
}

// Situations that pass by themselves; what was prepared stays in the queue. EAGAIN: no memory for
// requests. EBUSY: completions wait to be taken. EINTR, ETIME: the wait ended.
bool passes_by_itself(int result) {
    return result == -EAGAIN || result == -EBUSY || result == -EINTR || result == -ETIME;
}

bool is_poll(IoOperation operation) {
    return operation == IoOperation::kPoll || operation == IoOperation::kPollMultishot;
}

void fill(io_uring_sqe& entry, const IoRequest& request) {
    const int file = static_cast<int>(request.file);
    switch (request.operation) {
        case IoOperation::kRead:
            if (request.vectors.size() == 1) {
                io_uring_prep_read(&entry, file, request.vectors.front().iov_base,
                                   static_cast<unsigned>(request.vectors.front().iov_len),
                                   request.offset);
                return;
            }
            io_uring_prep_readv(&entry, file, request.vectors.data(),
                                static_cast<unsigned>(request.vectors.size()), request.offset);
            return;
        case IoOperation::kWrite:
            if (request.vectors.size() == 1) {
                io_uring_prep_write(&entry, file, request.vectors.front().iov_base,
                                    static_cast<unsigned>(request.vectors.front().iov_len),
                                    request.offset);
                return;
            }
            io_uring_prep_writev(&entry, file, request.vectors.data(),
                                 static_cast<unsigned>(request.vectors.size()), request.offset);
            return;
        case IoOperation::kFsync:
            io_uring_prep_fsync(&entry, file, 0);
            return;
        case IoOperation::kFdatasync:
            io_uring_prep_fsync(&entry, file, IORING_FSYNC_DATASYNC);
            return;
        case IoOperation::kFallocate:
            // Offsets beyond 2^63 arrive as negative ones, which the kernel refuses.
            io_uring_prep_fallocate(&entry, file, static_cast<int>(request.flags),
                                    static_cast<off_t>(request.offset),
                                    static_cast<off_t>(request.length));
            return;
        case IoOperation::kPoll:
            io_uring_prep_poll_add(&entry, file, request.flags);
            return;
        case IoOperation::kPollMultishot:
            io_uring_prep_poll_multishot(&entry, file, request.flags);
            return;
    }
}

}  // namespace

Result<std::unique_ptr<Ring>> Ring::create(unsigned entries, RingFiles files) {
    std::unique_ptr<RestrictedUring> uring = TRY(RestrictedUring::create(entries, files));
    return std::make_unique<Ring>(Passkey<Ring>(), std::move(uring), files);
}

Result<IoFile> Ring::add_file(int fd) {
    if (has_started_) return Error{"I/O file", EBUSY, "must be added before the engine starts"};
    if (::fcntl(fd, F_GETFD) < 0) return Error::from_errno("I/O file");
    files_.push_back(fd);
    return static_cast<IoFile>(files_.size() - 1);
}

Result<> Ring::replace_file(IoFile file, int fd) {
    const auto index = static_cast<size_t>(file);
    if (index >= files_.size()) return Error{"I/O file", EBADF};
    TRY(uring_->replace_file(static_cast<unsigned>(index), fd));
    files_[index] = fd;
    for (const Poll& poll : polls_)
        if (!poll.is_cancelled) put_cancel(marked(poll.request.tag));
    return Ok{};
}

Result<> Ring::start() {
    TRY(uring_->enable(files_));
    has_started_ = true;
    return Ok{};
}

// A place in the ring, or behind those that already wait for one.
io_uring_sqe& Ring::next_entry() {
    io_uring_sqe* const entry = backlog_.empty() ? io_uring_get_sqe(uring_->get()) : nullptr;
    return entry != nullptr ? *entry : backlog_.emplace_back();
}

void Ring::prepare(const IoRequest& request) {
    put(request);
    count_request();
    if (renews_polls_ && is_poll(request.operation)) polls_.push_back({request});
}

void Ring::put(const IoRequest& request) {
    io_uring_sqe& entry = next_entry();
    fill(entry, request);
    entry.flags = IOSQE_FIXED_FILE;
    const bool is_renewable = renews_polls_ && is_poll(request.operation);
    entry.user_data = to_user_data(is_renewable ? marked(request.tag) : request.tag);
}

void Ring::cancel(IoTag tag) {
    const auto poll = std::ranges::find(polls_, tag, [](const Poll& it) { return it.request.tag; });
    if (poll == polls_.end()) return put_cancel(tag);
    poll->is_cancelled = true;
    put_cancel(marked(tag));
}

void Ring::put_cancel(IoTag tag) {
    io_uring_sqe& entry = next_entry();
    io_uring_prep_cancel64(&entry, to_user_data(tag), 0);
    entry.flags = uring_->requires_fixed_file() ? IOSQE_FIXED_FILE : 0;
    entry.user_data = to_user_data({.target = kNoTarget});
}

bool Ring::is_renewed(const IoCompletion& completion) {
    if (completion.more) return false;
    const auto ended = std::ranges::find(polls_, completion.tag,
                                         [](const Poll& poll) { return poll.request.tag; });
    if (ended == polls_.end()) return false;
    if (completion.result == -ECANCELED && !ended->is_cancelled) {
        put(ended->request);
        return true;
    }
    polls_.erase(ended);
    return false;
}

// Moves the oldest of the backlog into the ring, as many as it has room for.
void Ring::refill() {
    const size_t count = std::min<size_t>(backlog_.size(), io_uring_sq_space_left(uring_->get()));
    for (size_t i = 0; i < count; ++i) *io_uring_get_sqe(uring_->get()) = backlog_[i];
    backlog_.erase(backlog_.begin(), backlog_.begin() + static_cast<ptrdiff_t>(count));
}

Result<> Ring::submit() {
    while (io_uring_sq_ready(uring_->get()) > 0) {
        const int submitted = io_uring_submit(uring_->get());
        if (passes_by_itself(submitted) || submitted == 0) return Ok{};
        if (submitted < 0) return Error{"io_uring_enter", -submitted};
        refill();
    }
    return Ok{};
}

Result<size_t> Ring::wait(uint64_t timeout_ns) {
    // Usually all fits the ring, and submitting and waiting are one system call.
    if (!backlog_.empty()) TRY(submit());
    io_uring_cqe* first = nullptr;
    int result = 0;
    if (timeout_ns == 0) {
        // Neither makes a system call unless there is something to submit or to collect.
        result = io_uring_sq_ready(uring_->get()) > 0
                     ? io_uring_submit_and_get_events(uring_->get())
                     : io_uring_peek_cqe(uring_->get(), &first);
    } else {
        constexpr uint64_t kNanosecondsPerSecond = 1'000'000'000;
        __kernel_timespec timeout{
            .tv_sec = static_cast<int64_t>(timeout_ns / kNanosecondsPerSecond),
            .tv_nsec = static_cast<int64_t>(timeout_ns % kNanosecondsPerSecond),
        };
        result = io_uring_submit_and_wait_timeout(
            uring_->get(), &first, 1, timeout_ns == kForever ? nullptr : &timeout, nullptr);
    }
    if (result < 0 && !passes_by_itself(result)) return Error{"io_uring_enter", -result};
    return dispatch();
}

// Delivers what is there now; what arrives meanwhile is for the next round, so that requests which
// complete at once cannot keep the thread here.
size_t Ring::dispatch() {
    size_t delivered = 0;
    for (unsigned left = io_uring_cq_ready(uring_->get()); left > 0; --left) {
        io_uring_cqe* entry = nullptr;
        if (io_uring_peek_cqe(uring_->get(), &entry) != 0) break;
        IoCompletion completion{std::bit_cast<IoTag>(entry->user_data), entry->res,
                                (entry->flags & IORING_CQE_F_MORE) != 0};
        // The copy is ours: its place is free before the target prepares or submits anything.
        io_uring_cqe_seen(uring_->get(), entry);
        if (completion.tag.target == kNoTarget) continue;
        if ((completion.tag.target & kPollMark) != 0) {
            completion.tag.target &= static_cast<uint16_t>(~kPollMark);
            if (is_renewed(completion)) continue;
        }
        deliver(completion);
        ++delivered;
    }
    return delivered;
}
