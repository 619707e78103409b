#include "monitor/console/tail.hpp"

#include <algorithm>

void ConsoleTail::transmit(std::span<const std::byte> bytes) {
    for (const std::byte byte : bytes) ring_[written_++ % kBytes] = byte;
}

std::string ConsoleTail::text() const {
    std::string text;
    for (size_t at = written_ - std::min(written_, kBytes); at < written_; ++at) {
        const char character = static_cast<char>(ring_[at % kBytes]);
        // What a guest says is shown on a terminal: no control characters but the line's end.
        if (character == '\n' || (character >= ' ' && character <= '~')) text += character;
    }
    if (written_ > kBytes) text.erase(0, text.find('\n') + 1);
    return text;
}
