#include "base/plain_engine.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/vectored_io.hpp"

namespace {

bool is_transfer(const IoRequest& request) {
    return request.operation == IoOperation::kRead || request.operation == IoOperation::kWrite;
}

bool is_poll(const IoRequest& request) {
    return request.operation == IoOperation::kPoll ||
           request.operation == IoOperation::kPollMultishot;
}

int32_t result_of(ssize_t returned) {
    return returned < 0 ? -errno : static_cast<int32_t>(returned);
}

// One system call. `flags`: RWF_NOWAIT or 0.
int32_t transfer(int fd, const IoRequest& request, int flags) {
    // An offset of -1 (kStream) means a file without positions to both calls.
    const off_t offset = static_cast<off_t>(request.offset);
    return result_of(request.operation == IoOperation::kRead
                         ? read_vectors(fd, request.vectors, offset, flags)
                         : write_vectors(fd, request.vectors, offset, flags));
}

int32_t perform(int fd, const IoRequest& request) {
    switch (request.operation) {
        case IoOperation::kFsync:
            return result_of(::fsync(fd));
        case IoOperation::kFdatasync:
            return result_of(::fdatasync(fd));
        case IoOperation::kFallocate:
            return result_of(::fallocate(fd, static_cast<int>(request.flags),
                                         static_cast<off_t>(request.offset),
                                         static_cast<off_t>(request.length)));
        default:
            return transfer(fd, request, 0);
    }
}

size_t total_bytes(std::span<const iovec> vectors) {
    size_t total = 0;
    for (const iovec& vector : vectors) total += vector.iov_len;
    return total;
}

// Neither a regular file nor a block device.
bool is_stream(mode_t mode) {
    return !S_ISREG(mode) && !S_ISBLK(mode);
}

short wanted_events(const IoRequest& request) {
    if (is_poll(request)) return static_cast<short>(request.flags);
    return request.operation == IoOperation::kRead ? POLLIN : POLLOUT;
}

}  // namespace

std::unique_ptr<PlainEngine> PlainEngine::create() {
    return std::make_unique<PlainEngine>(Passkey<PlainEngine>());
}

Result<IoFile> PlainEngine::add_file(int fd) {
    if (has_started_) return Error{"I/O file", EBUSY, "must be added before the engine starts"};
    struct stat status {};
    if (::fstat(fd, &status) != 0) return Error::from_errno("I/O file");
    files_.push_back({.fd = fd, .is_stream = is_stream(status.st_mode)});
    return static_cast<IoFile>(files_.size() - 1);
}

Result<> PlainEngine::replace_file(IoFile file, int fd) {
    File* const known = find(file);
    if (known == nullptr) return Error{"I/O file", EBADF};
    *known = {.fd = fd, .is_stream = known->is_stream};
    return Ok{};
}

Result<> PlainEngine::start() {
    has_started_ = true;
    return Ok{};
}

PlainEngine::File* PlainEngine::find(IoFile file) {
    const auto index = static_cast<size_t>(file);
    return index < files_.size() ? &files_[index] : nullptr;
}

void PlainEngine::prepare(const IoRequest& request) {
    prepared_.push_back({request});
    count_request();
}

void PlainEngine::cancel(IoTag tag) {
    for (std::vector<Pending>* const queue : {&pending_, &prepared_}) {
        const auto found = std::ranges::find_if(*queue, [tag](const Pending& pending) {
            return !pending.is_done && pending.request.tag == tag;
        });
        if (found == queue->end()) continue;
        finish(*found, -ECANCELED);
        return;
    }
}

Result<> PlainEngine::submit() {
    pending_.insert(pending_.end(), prepared_.begin(), prepared_.end());
    prepared_.clear();
    return Ok{};
}

void PlainEngine::finish(Pending& pending, int32_t result) {
    done_.push_back({pending.request.tag, result, false});
    pending.is_done = true;
}

Result<size_t> PlainEngine::wait(uint64_t timeout_ns) {
    TRY(submit());
    perform_new();
    perform_one();
    // Whatever could be done for a disk has left something to deliver.
    TRY(poll_streams(done_.empty() ? timeout_ns : 0));
    std::erase_if(pending_, [](const Pending& pending) { return pending.is_done; });
    return dispatch();
}

void PlainEngine::perform_new() {
    for (Pending& pending : pending_)
        if (!pending.is_done && pending.state == State::kNew) try_without_waiting(pending);
}

// Performs a request if that needs no waiting, and finds out what it waits for otherwise.
void PlainEngine::try_without_waiting(Pending& pending) {
    const IoRequest& request = pending.request;
    File* const file = find(request.file);
    if (file == nullptr) return finish(pending, -EBADF);
    const bool moves_data = is_transfer(request);
    const bool waits_for_events = is_poll(request) || (moves_data && file->is_stream);
    pending.state = waits_for_events ? State::kWaits : State::kMayBlock;
    if (!moves_data || !file->takes_nowait) return;
    const int32_t result = transfer(file->fd, request, RWF_NOWAIT);
    if (result == -EOPNOTSUPP) file->takes_nowait = false;
    if (result == -EOPNOTSUPP || result == -EAGAIN) return;
    // A short count may be all that is in the page cache. To do the whole again without the flag is
    // as good, for a disk, and tells whether the file ends there.
    const bool is_whole = result < 0 || std::cmp_equal(result, total_bytes(request.vectors));
    if (file->is_stream || is_whole) finish(pending, result);
}

// Performs the oldest request that may block.
void PlainEngine::perform_one() {
    const auto found = std::ranges::find_if(pending_, [](const Pending& pending) {
        return pending.state == State::kMayBlock && !pending.is_done;
    });
    if (found == pending_.end()) return;
    const File* const file = find(found->request.file);
    finish(*found, file == nullptr ? -EBADF : perform(file->fd, found->request));
}

// Serves the streams that are ready, after a wait for one of them.
Result<> PlainEngine::poll_streams(uint64_t timeout_ns) {
    // One entry for each request, so that both have the same index; poll(2) passes over -1.
    polled_.clear();
    for (const Pending& pending : pending_) {
        const bool waits = !pending.is_done && pending.state == State::kWaits;
        const File* const file = waits ? find(pending.request.file) : nullptr;
        polled_.push_back({file == nullptr ? -1 : file->fd, wanted_events(pending.request), 0});
    }
    constexpr uint64_t kNanosecondsPerSecond = 1'000'000'000;
    const timespec timeout{static_cast<time_t>(timeout_ns / kNanosecondsPerSecond),
                           static_cast<long>(timeout_ns % kNanosecondsPerSecond)};
    const int ready = ::ppoll(polled_.data(), polled_.size(),
                              timeout_ns == kForever ? nullptr : &timeout, nullptr);
    if (ready < 0 && errno != EINTR) return Error::from_errno("poll");
    if (ready <= 0) return Ok{};
    for (File& file : files_) file.was_read = file.was_written = false;
    for (size_t i = 0; i < polled_.size(); ++i) {
        if (polled_[i].revents == 0) continue;
        File* const file = find(pending_[i].request.file);
        if (file != nullptr) serve_stream(pending_[i], *file, polled_[i].revents);
    }
    return Ok{};
}

void PlainEngine::serve_stream(Pending& pending, File& file, short revents) {
    const IoRequest& request = pending.request;
    if (request.operation == IoOperation::kPollMultishot && (revents & POLLNVAL) == 0) {
        done_.push_back({request.tag, revents, true});
        return;
    }
    if (is_poll(request)) return finish(pending, (revents & POLLNVAL) != 0 ? -EBADF : revents);
    if (file.takes_nowait) {
        const int32_t result = transfer(file.fd, request, RWF_NOWAIT);
        if (result == -EAGAIN) return;  // another request took it
        if (result != -EOPNOTSUPP) return finish(pending, result);
        file.takes_nowait = false;
    }
    // poll(2) vouches for one transfer in each direction, no more.
    bool& was_served = request.operation == IoOperation::kRead ? file.was_read : file.was_written;
    if (std::exchange(was_served, true)) return;
    const int32_t result = transfer(file.fd, request, 0);
    if (result != -EAGAIN) finish(pending, result);
}

// Delivers what is done now; what a target cancels meanwhile is for the next round.
size_t PlainEngine::dispatch() {
    delivering_.clear();
    delivering_.swap(done_);
    for (const IoCompletion& completion : delivering_) deliver(completion);
    return delivering_.size();
}
