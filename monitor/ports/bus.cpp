#include "monitor/ports/bus.hpp"

#include <algorithm>
#include <cerrno>

namespace {
constexpr uint32_t kPortSpace = 0x10000;  // Intel SDM vol. 1, "I/O Address Space"
}  // namespace

Result<> PortBus::add(uint16_t base, uint16_t size, PortDevice& device, uint16_t offset) {
    if (size == 0 || size > kPortSpace - base)
        return Error{"I/O ports", EINVAL, "the range is empty or ends past port 0xffff", base};
    for (const Window& window : std::span(windows_).first(count_)) {
        const bool before = base < window.base && size <= window.base - base;
        const bool after = base >= window.base && base - window.base >= window.size;
        if (!before && !after)
            return Error{"I/O ports", EEXIST, "two devices answer the same port", base};
    }
    if (count_ == kMaxRanges)
        return Error{"I/O ports", ENOSPC, "raise PortBus::kMaxRanges", kMaxRanges};
    windows_[count_++] = {base, size, offset, &device};
    return Ok{};
}

const PortBus::Window* PortBus::find(uint16_t port, unsigned width) const {
    for (const Window& window : std::span(windows_).first(count_)) {
        if (port < window.base) continue;
        const unsigned offset = unsigned{port} - window.base;
        if (offset < window.size && width <= window.size - offset) return &window;
    }
    return nullptr;
}

void PortBus::in(uint16_t port, std::span<std::byte> data, unsigned width) const {
    const Window* window = find(port, width);
    if (window == nullptr) {
        std::ranges::fill(data, std::byte{0xff});
        return;
    }
    window->device->in(offset_in(*window, port), data, width);
}

void PortBus::out(uint16_t port, std::span<const std::byte> data, unsigned width) const {
    const Window* window = find(port, width);
    if (window == nullptr) return;
    window->device->out(offset_in(*window, port), data, width);
}
