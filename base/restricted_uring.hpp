// One io_uring that can do nothing but the I/O of a guest's devices. It is created disabled; then
// files and restrictions are registered, and only then it is enabled: from there on the kernel
// refuses every other operation, every descriptor outside the table, and every further
// registration. seccomp cannot do this: it does not see what goes through a ring.
//
// Owned by base/ring. Any thread creates it; the thread that enables it is the only one to use it.
// Source: io_uring_setup(2), io_uring_register(2).
#pragma once

#include <liburing.h>

#include <cstdint>
#include <memory>
#include <span>

#include "base/passkey.hpp"
#include "base/result.hpp"

// Whether a file of the table may become another one later on, which is one registration more that
// the ring allows.
enum class RingFiles : uint8_t { kFixed, kReplaceable };

class RestrictedUring {
public:
    // A ring that takes `entries` requests (at most 32768, rounded up to a power of two) in one
    // system call. Errors, each with a hint that says why: ENOSYS, EPERM, EMFILE, ENFILE, ENOMEM,
    // EINVAL, EOPNOTSUPP (kernel older than 5.13).
    static Result<std::unique_ptr<RestrictedUring>> create(unsigned entries, RingFiles files);

    RestrictedUring(Passkey<RestrictedUring> /*key*/, RingFiles files) : files_(files) {}
    RestrictedUring(const RestrictedUring&) = delete;
    RestrictedUring& operator=(const RestrictedUring&) = delete;
    ~RestrictedUring();

    // Registers `files`, whose index becomes their number in requests, then the restrictions, and
    // enables the ring for the calling thread. Once. Errors: as io_uring_register(2).
    Result<> enable(std::span<const int> files);

    // File `index` is `fd` from now on. Errors: as IORING_REGISTER_FILES_UPDATE; EACCES of a ring
    // whose files are fixed.
    Result<> replace_file(unsigned index, int fd);

    // True if requests must carry IOSQE_FIXED_FILE, all of them, cancellations too.
    bool requires_fixed_file() const { return requires_fixed_file_; }

    io_uring* get() { return &ring_; }

private:
    template <typename T>
    Result<> do_register(const char* name, unsigned operation, std::span<const T> operands);

    io_uring ring_{};
    RingFiles files_;
    bool is_open_ = false;
    bool requires_fixed_file_ = false;
};
