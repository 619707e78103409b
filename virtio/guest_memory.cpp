#include "virtio/guest_memory.hpp"

#include <algorithm>
#include <cassert>

GuestMemory::GuestMemory(std::span<const Region> regions) {
    assert(regions.size() <= kMaxRegions);
    std::copy(regions.begin(), regions.end(), regions_.begin());
}

Result<> GuestMemory::read_bytes(GuestAddress at, std::span<std::byte> to) const {
    const std::byte* const host = find(at, to.size());
    if (host == nullptr) return bad_address(at);
    std::memcpy(to.data(), host, to.size());
    keep_copy();
    return Ok{};
}

Result<> GuestMemory::write_bytes(GuestAddress at, std::span<const std::byte> from) const {
    std::byte* const host = find(at, from.size());
    if (host == nullptr) return bad_address(at);
    std::memcpy(host, from.data(), from.size());
    return Ok{};
}
