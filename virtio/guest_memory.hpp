// Guest RAM as seen by the monitor: the one checked door to it.
//
// The guest runs while we read, so every byte may change between two loads. Two rules follow,
// and this header is built so that they are hard to break:
//   1. fetch once: copy a structure out, validate the copy, use the copy;
//   2. indexes shared with the driver go through load_acquire/store_release.
// No reference or pointer into guest RAM leaves this class except inside an iovec handed to
// the kernel.
//
// A view: it owns nothing and is cheap to copy. The memory's owner (monitor/guest_ram) outlives it.
// Any thread.
#pragma once

#include <sys/uio.h>

#include <array>
#include <atomic>
#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include "base/result.hpp"

// Guest physical address, in bytes. Not convertible to or from a host pointer.
struct GuestAddress {
    uint64_t value = 0;

    // clang-tidy 14 mistakes the comparison with 0 inside.
    auto operator<=>(const GuestAddress&) const = default;  // NOLINT(modernize-use-nullptr)
};

constexpr GuestAddress operator+(GuestAddress a, uint64_t bytes) {
    return {a.value + bytes};
}

// What may be copied to and from guest RAM: no padding, no pointers to chase, any bytes valid.
template <typename T>
concept GuestPod = std::is_trivially_copyable_v<T> && std::has_unique_object_representations_v<T>;

class GuestMemory {
public:
    // One run of guest RAM.
    struct Region {
        GuestAddress start;
        std::span<std::byte> host;
    };
    // RAM below and above the 32-bit MMIO gap.
    static constexpr size_t kMaxRegions = 2;

    explicit GuestMemory(std::span<const Region> regions);
    // RAM from guest address 0 only.
    explicit GuestMemory(std::span<std::byte> host) : regions_{{{{0}, host}, {}}} {}

    // True if all of [at, at + length) is RAM, in one region.
    bool contains(GuestAddress at, uint64_t length) const { return find(at, length) != nullptr; }

    // One entry of an I/O vector over guest RAM. The kernel alone may follow the pointer in it.
    // Errors: EFAULT.
    Result<iovec> io_vector(GuestAddress at, uint64_t length) const {
        std::byte* const host = find(at, length);
        if (host == nullptr) return bad_address(at);
        return iovec{host, length};
    }

    // Tells the processor that `at` will be read soon, if it is RAM.
    void prefetch(GuestAddress at) const {
        if (const std::byte* const host = find(at, 1)) __builtin_prefetch(host);
    }

    // A copy of what is at `at` now. Errors: EFAULT. (Of a constant size, and inline: a request
    // reads several.)
    template <GuestPod T>
    Result<T> read(GuestAddress at) const {
        const std::byte* const host = find(at, sizeof(T));
        if (host == nullptr) return bad_address(at);
        T copy{};
        std::memcpy(&copy, host, sizeof(T));
        keep_copy();
        return copy;
    }

    template <GuestPod T>
    Result<> write(GuestAddress at, const T& value) const {
        std::byte* const host = find(at, sizeof(T));
        if (host == nullptr) return bad_address(at);
        std::memcpy(host, &value, sizeof(T));
        return Ok{};
    }

    // Errors: EFAULT; nothing is copied then.
    Result<> read_bytes(GuestAddress at, std::span<std::byte> to) const;
    Result<> write_bytes(GuestAddress at, std::span<const std::byte> from) const;

    // Errors: EFAULT, EINVAL (misaligned).
    template <std::unsigned_integral T>
    Result<T> load_acquire(GuestAddress at) const {
        return std::atomic_ref<T>(*TRY(aligned<T>(at))).load(std::memory_order_acquire);
    }

    template <std::unsigned_integral T>
    Result<> store_release(GuestAddress at, T value) const {
        std::atomic_ref<T>(*TRY(aligned<T>(at))).store(value, std::memory_order_release);
        return Ok{};
    }

    std::span<const Region> regions() const { return regions_; }

private:
    // The compiler may not look at guest memory again in place of the copy.
    static void keep_copy() { std::atomic_signal_fence(std::memory_order_seq_cst); }

    static Error bad_address(GuestAddress at) {
        return {"guest address", EFAULT, "is not in guest memory", at.value};
    }

    // Host address of the range, or nullptr if any of it is not RAM. A length of 0 is not RAM.
    // Inline wherever it is used: one shared copy would be that of some file which is optimised for
    // size.
    [[gnu::always_inline]] std::byte* find(GuestAddress at, uint64_t length) const {
        if (length == 0) return nullptr;
        for (const Region& region : regions_) {
            if (at.value < region.start.value) continue;
            const uint64_t offset = at.value - region.start.value;
            if (offset < region.host.size() && length <= region.host.size() - offset)
                return region.host.data() + offset;
        }
        return nullptr;
    }

    template <typename T>
    Result<T*> aligned(GuestAddress at) const {
        if (at.value % std::atomic_ref<T>::required_alignment != 0)
            return Error{"guest address", EINVAL, "is misaligned", at.value};
        std::byte* const host = find(at, sizeof(T));
        if (host == nullptr) return bad_address(at);
        // Alignment and bounds were checked above; T is an integer.
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
        return reinterpret_cast<T*>(host);
    }

    std::array<Region, kMaxRegions> regions_{};
};
