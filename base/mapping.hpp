// Sole owner of one range of mapped memory. The only place in the program that calls
// munmap(2). Owned by whoever created it; any thread.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "base/result.hpp"

class Mapping {
public:
    // `size_bytes` of zeroed private memory, given out lazily by the kernel and not charged
    // against overcommit; from 2 MiB on aligned to that, so that huge pages can back it. Errors:
    // ENOMEM.
    static Result<Mapping> anonymous(size_t size_bytes);

    // The same in huge pages of 2 MiB, a multiple of which it is, out of the host's pool of these
    // (hugetlb); all of them are set aside at once, so that none is missing later. Errors: ENOMEM,
    // too few are free.
    static Result<Mapping> huge(size_t size_bytes);

    // `size_bytes` of addresses that cannot be accessed, until somebody says otherwise by
    // mprotect(2). Errors: ENOMEM.
    static Result<Mapping> inaccessible(size_t size_bytes);

    // `size_bytes` of `fd` from `offset` (a page multiple), shared and writable. Errors: as
    // mmap(2).
    static Result<Mapping> shared(int fd, size_t size_bytes, size_t offset);

    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    Mapping(Mapping&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
    Mapping& operator=(Mapping&& other) noexcept {
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    ~Mapping();

    std::span<std::byte> bytes() const { return bytes_; }

private:
    explicit Mapping(std::span<std::byte> bytes) : bytes_(bytes) {}
    // Unmaps all but `size_bytes` from the first 2 MiB boundary on.
    void trim_to_alignment(size_t size_bytes);
    static Result<Mapping> map(size_t size_bytes, int access, int flags, int fd, size_t offset);

    std::span<std::byte> bytes_;
};

// What is mapped there is in no core dump (MADV_DONTDUMP), as long as nothing else is mapped in its
// place. Of whole pages.
void leave_out_of_dumps(std::span<std::byte> pages);
