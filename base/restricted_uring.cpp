#include "base/restricted_uring.hpp"

#include <array>
#include <bit>

namespace {

// Completions the ring holds for each entry of the submission queue: more may be in flight than fit
// one submission. What exceeds it the kernel keeps aside (IORING_FEAT_NODROP).
constexpr unsigned kCompletionsPerEntry = 4;

// NODROP: no completion is lost (5.5). EXT_ARG: a wait with a timeout needs no request of its own,
// which the restrictions would have to allow (5.11). RSRC_TAGS came with multishot polls (5.13).
constexpr unsigned kNeededFeatures =
    IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG | IORING_FEAT_RSRC_TAGS;

// What newer kernels offer to a ring of one thread, best first. Completions that were deferred to
// our next system call interrupt nothing and come in batches; TASKRUN_FLAG says in shared memory
// that there are some.
constexpr std::array<unsigned, 3> kModes{
    IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
        IORING_SETUP_TASKRUN_FLAG,                                                    // 6.1
    IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,  // 5.19
    0,
};

constexpr std::array<uint8_t, 8> kAllowedOperations{
    IORING_OP_READ,   // disk and TAP reads into one piece of memory
    IORING_OP_WRITE,  // disk and TAP writes from one piece
    IORING_OP_READV,  // the same of several pieces
    IORING_OP_WRITEV,
    IORING_OP_FSYNC,         // virtio-block flush
    IORING_OP_FALLOCATE,     // discard and write zeroes
    IORING_OP_POLL_ADD,      // queue kicks, TAPs, the console
    IORING_OP_ASYNC_CANCEL,  // device reset with requests in flight
};

Error setup_error(int code) {
    const char* hint = nullptr;
    switch (code) {
        case ENOSYS:
            hint = "the kernel or a system call filter has no io_uring";
            break;
        case EPERM:
        case EACCES:
            hint =
                "forbidden by kernel.io_uring_disabled, a security module or a system call filter";
            break;
        case EMFILE:
            hint = "raise the limit of open files (RLIMIT_NOFILE)";
            break;
        case ENOMEM:
            hint = "no memory, or RLIMIT_MEMLOCK is too low";
            break;
        case EINVAL:
            hint = "the kernel is too old for rings that start disabled (5.10)";
            break;
        default:
            break;
    }
    return {"io_uring_setup", code, hint};
}

io_uring_restriction restriction(uint16_t kind, uint8_t operand) {
    io_uring_restriction entry{};
    entry.opcode = kind;
    entry.sqe_op = operand;  // shares its byte with sqe_flags
    return entry;
}

}  // namespace

// liburing's own functions for these are missing from the shared library of version 2.3.
template <typename T>
Result<> RestrictedUring::do_register(const char* name, unsigned operation,
                                      std::span<const T> operands) {
    const int result = io_uring_register(static_cast<unsigned>(ring_.ring_fd), operation,
                                         operands.data(), static_cast<unsigned>(operands.size()));
    if (result < 0) return Error{name, -result};
    return Ok{};
}

Result<std::unique_ptr<RestrictedUring>> RestrictedUring::create(unsigned entries,
                                                                 RingFiles files) {
    auto uring = std::make_unique<RestrictedUring>(Passkey<RestrictedUring>(), files);
    int result = -EINVAL;
    for (const unsigned mode : kModes) {
        io_uring_params params{};
        params.flags = IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | mode;
        params.cq_entries = entries * kCompletionsPerEntry;
        result = io_uring_queue_init_params(entries, &uring->ring_, &params);
        // Kernels before 5.19 refuse IOSQE_FIXED_FILE on a cancellation, so there it can only be
        // allowed, not required; 5.19 brought COOP_TASKRUN too, which tells the two apart.
        uring->requires_fixed_file_ = mode != 0;
        if (result != -EINVAL) break;
    }
    if (result < 0) return setup_error(-result);
    uring->is_open_ = true;
    if ((uring->ring_.features & kNeededFeatures) != kNeededFeatures)
        return Error{"io_uring", EOPNOTSUPP, "Linux 5.13 or newer is needed"};
    return uring;
}

Result<> RestrictedUring::replace_file(unsigned index, int fd) {
    const io_uring_files_update update{
        .offset = index, .resv = 0, .fds = std::bit_cast<uint64_t>(static_cast<const int*>(&fd))};
    // One file; the operand is the update, and not the descriptor.
    const int result = io_uring_register(static_cast<unsigned>(ring_.ring_fd),
                                         IORING_REGISTER_FILES_UPDATE, &update, 1);
    if (result < 0) return Error{"IORING_REGISTER_FILES_UPDATE", -result};
    return Ok{};
}

RestrictedUring::~RestrictedUring() {
    if (is_open_) io_uring_queue_exit(&ring_);
}

Result<> RestrictedUring::enable(std::span<const int> files) {
    if (!files.empty()) TRY(do_register("IORING_REGISTER_FILES", IORING_REGISTER_FILES, files));
    // A registration that is not in the list is not allowed.
    std::array<io_uring_restriction, kAllowedOperations.size() + 2> list{};
    size_t count = 0;
    for (const uint8_t operation : kAllowedOperations)
        list[count++] = restriction(IORING_RESTRICTION_SQE_OP, operation);
    if (files_ == RingFiles::kReplaceable)
        list[count++] = restriction(IORING_RESTRICTION_REGISTER_OP, IORING_REGISTER_FILES_UPDATE);
    list[count++] = restriction(requires_fixed_file_ ? IORING_RESTRICTION_SQE_FLAGS_REQUIRED
                                                     : IORING_RESTRICTION_SQE_FLAGS_ALLOWED,
                                IOSQE_FIXED_FILE);
    TRY(do_register("IORING_REGISTER_RESTRICTIONS", IORING_REGISTER_RESTRICTIONS,
                    std::span<const io_uring_restriction>(list).first(count)));
    return do_register("IORING_REGISTER_ENABLE_RINGS", IORING_REGISTER_ENABLE_RINGS,
                       std::span<const int>());
}
