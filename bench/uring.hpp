// A plain io_uring for the references: no flags, no polling thread, no registered buffers; one
// registered file. What a careful program does without tricks. One thread.
#pragma once

#include <liburing.h>

#include <memory>

#include "base/result.hpp"

class Uring {
public:
    // `fd` becomes registered file 0. Errors: as io_uring_setup(2) and io_uring_register(2).
    static Result<std::unique_ptr<Uring>> create(unsigned entries, int fd);

    Uring(const Uring&) = delete;
    Uring& operator=(const Uring&) = delete;
    ~Uring() {
        if (is_open_) ::io_uring_queue_exit(&ring_);
    }

    // An entry of the submission queue for file 0, to be filled by `prepare(entry)`. Precondition:
    // less than `entries` are waiting to be submitted.
    template <typename Prepare>
    void add(uint64_t tag, Prepare prepare) {
        io_uring_sqe* const entry = ::io_uring_get_sqe(&ring_);
        prepare(entry);
        ::io_uring_sqe_set_flags(entry, IOSQE_FIXED_FILE);
        ::io_uring_sqe_set_data64(entry, tag);
    }

    // Submits what was added and waits for `least` completions, in one system call. Errors: as
    // io_uring_enter(2); EINTR counts as none.
    Result<> submit_and_wait(unsigned least);

    // Hands each completion there is to `take(tag, result)` and returns their number.
    template <typename Take>
    unsigned take_all(Take take) {
        unsigned head = 0;
        unsigned count = 0;
        io_uring_cqe* completion = nullptr;
        io_uring_for_each_cqe(&ring_, head, completion) {
            ++count;
            take(completion->user_data, completion->res);
        }
        ::io_uring_cq_advance(&ring_, count);
        return count;
    }

private:
    Uring() = default;

    io_uring ring_{};
    bool is_open_ = false;
};
