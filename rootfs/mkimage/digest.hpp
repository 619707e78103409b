// SHA-256, by nettle: small, kept up with GnuTLS, and already there wherever libarchive is, which
// uses it itself. Main thread.
#pragma once

#include <cstddef>
#include <nettle/sha2.h>
#include <span>
#include <string>
#include <string_view>

class Sha256 {
public:
    Sha256();

    void add(std::span<const std::byte> bytes);

    // In hexadecimal, of all that was added; begins anew.
    std::string take();

private:
    sha256_ctx state_;
};

// Whether `text` is "sha256:" and 64 digits of lower case: the one form that images are named by
// here. A digest becomes part of a path, so nothing else may pass.
bool is_sha256_digest(std::string_view text);
