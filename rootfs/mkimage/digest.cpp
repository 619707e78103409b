#include "rootfs/mkimage/digest.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

Sha256::Sha256() : state_() {
    ::nettle_sha256_init(&state_);
}

void Sha256::add(std::span<const std::byte> bytes) {
    // Bytes are bytes: NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    ::nettle_sha256_update(&state_, bytes.size(), reinterpret_cast<const uint8_t*>(bytes.data()));
}

std::string Sha256::take() {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::array<uint8_t, SHA256_DIGEST_SIZE> digest{};
    ::nettle_sha256_digest(&state_, digest.size(), digest.data());
    std::string text;
    for (const uint8_t byte : digest) {
        text += kDigits[byte >> 4U];
        text += kDigits[byte & 15U];
    }
    return text;
}

bool is_sha256_digest(std::string_view text) {
    constexpr std::string_view kPrefix = "sha256:";
    return text.starts_with(kPrefix) && text.size() == kPrefix.size() + 64 &&
           std::ranges::all_of(text.substr(kPrefix.size()), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}
