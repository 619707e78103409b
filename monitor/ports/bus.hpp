// The I/O port space: which device answers which port.
//
// The machine owns one, fills it before the vCPUs start and never changes it again; so every vCPU
// thread may dispatch at the same time without a lock. Devices are not owned and outlive the bus.
// Ports nobody answers behave as an empty ISA bus does: reads float high, writes go nowhere.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/pinned.hpp"
#include "base/result.hpp"

// Answers a range of ports. Called on vCPU threads, several at once.
class PortDevice : private Pinned {
public:
    // One or more accesses of `width` (1, 2 or 4) bytes, all at `offset` from the device's base.
    // data.size() is a multiple of `width`: one unit for IN and OUT, as many as KVM batched for
    // string I/O. The bus has checked that offset + width lies within the device's range.
    virtual void in(uint16_t offset, std::span<std::byte> data, unsigned width) = 0;
    virtual void out(uint16_t offset, std::span<const std::byte> data, unsigned width) = 0;

protected:
    ~PortDevice() = default;
};

class PortBus {
public:
    static constexpr size_t kMaxRanges = 12;

    // Lets `device` answer ports [base, base + size); the first of them is its `offset`, not 0 for
    // the later ranges of one that has several. They are sought in the order in which they were
    // added: the busiest first. Errors: EINVAL (empty, or past port 0xffff), EEXIST (overlaps
    // another range), ENOSPC (kMaxRanges reached).
    Result<> add(uint16_t base, uint16_t size, PortDevice& device, uint16_t offset = 0);

    // One or more accesses of `width` bytes at `port`, as KVM reports them. An access that does
    // not lie wholly inside one device's range is nobody's: `data` is filled with ones.
    void in(uint16_t port, std::span<std::byte> data, unsigned width) const;
    // The same for writes; nobody's are ignored.
    void out(uint16_t port, std::span<const std::byte> data, unsigned width) const;

private:
    struct Window {
        uint16_t base = 0;
        uint16_t size = 0;
        uint16_t offset = 0;  // of `base` in the device
        PortDevice* device = nullptr;
    };

    const Window* find(uint16_t port, unsigned width) const;
    static uint16_t offset_in(const Window& window, uint16_t port) {
        return static_cast<uint16_t>(port - window.base + window.offset);
    }

    std::array<Window, kMaxRanges> windows_{};
    size_t count_ = 0;
};
