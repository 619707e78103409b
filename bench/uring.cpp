#include "bench/uring.hpp"

Result<std::unique_ptr<Uring>> Uring::create(unsigned entries, int fd) {
    std::unique_ptr<Uring> uring(new Uring);
    if (const int code = ::io_uring_queue_init(entries, &uring->ring_, 0); code < 0)
        return Error{"io_uring_setup", -code};
    uring->is_open_ = true;
    if (const int code = ::io_uring_register_files(&uring->ring_, &fd, 1); code < 0)
        return Error{"IORING_REGISTER_FILES", -code};
    return uring;
}

Result<> Uring::submit_and_wait(unsigned least) {
    const int code = ::io_uring_submit_and_wait(&ring_, least);
    if (code < 0 && code != -EINTR) return Error{"io_uring_enter", -code};
    return Ok{};
}
