// What a driver reads in a device's register window, as a page of memory. Virtio 1.2 §4.2.2.
//
// The machine maps the page into the guest, read-only: to read a register, InterruptStatus in every
// interrupt among them, does not leave the guest. Writes do. So the page always holds what a read
// would answer, and nothing else: registers that are only written read as 0.
//
// A view; the page's owner outlives it. The transport writes: InterruptStatus from any thread, the
// rest under its mutex. The guest reads at any time, so every register is stored at once.
#pragma once

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "virtio/spec.hpp"

class RegisterPage {
public:
    static constexpr size_t kBytes = 4096;

    // `bytes`: all zero, aligned to a page.
    explicit RegisterPage(std::span<std::byte> bytes) : bytes_(bytes) {
        assert(bytes.size() == kBytes);
    }

    void store(MmioRegister which, uint32_t value) {
        at(which).store(value, std::memory_order_release);
    }
    uint32_t load(MmioRegister which) const { return at(which).load(std::memory_order_acquire); }
    void set_bits(MmioRegister which, uint32_t bits) { at(which).fetch_or(bits); }
    void clear_bits(MmioRegister which, uint32_t bits) { at(which).fetch_and(~bits); }

    // The device's own configuration (§4.2.2.1). A driver that reads while it changes may see some
    // of both: it is told of the change afterwards and reads again.
    void store_config(std::span<const std::byte> config) {
        assert(config.size() <= kBytes - kConfigOffset);
        store(MmioRegister::ConfigGeneration, load(MmioRegister::ConfigGeneration) + 1);
        for (size_t i = 0; i < config.size(); i += kWordBytes) {
            // Whole words, as no field crosses one.
            const auto place = at<uint64_t>(kConfigOffset + i);
            uint64_t word = place.load(std::memory_order_relaxed);
            std::memcpy(&word, &config[i], std::min(kWordBytes, config.size() - i));
            place.store(word, std::memory_order_release);
        }
        store(MmioRegister::ConfigGeneration, load(MmioRegister::ConfigGeneration) + 1);
    }

    // For hosts that cannot map the page: what a read of `data.size()` bytes at `offset` answers.
    // Zeroes past the page's end.
    void read(uint64_t offset, std::span<std::byte> data) const {
        std::ranges::fill(data, std::byte{0});
        if (offset >= kBytes) return;
        const size_t length = std::min<size_t>(data.size(), kBytes - offset);
        for (size_t i = 0; i < length; ++i)
            data[i] = std::atomic_ref(bytes_[offset + i]).load(std::memory_order_acquire);
    }

private:
    static constexpr size_t kConfigOffset = static_cast<size_t>(MmioRegister::Config);
    static constexpr size_t kWordBytes = sizeof(uint64_t);

    // `offset` is a multiple of the size.
    template <typename T>
    std::atomic_ref<T> at(size_t offset) const {
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
        return std::atomic_ref(*reinterpret_cast<T*>(&bytes_[offset]));
    }
    std::atomic_ref<uint32_t> at(MmioRegister which) const {
        return at<uint32_t>(static_cast<size_t>(which));
    }

    std::span<std::byte> bytes_;
};
