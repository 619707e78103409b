#include "bench/lines.hpp"

#include <unistd.h>

#include <algorithm>

#include "bench/program.hpp"

std::string in_ascii(std::string text) {
    std::ranges::replace_if(
        text, [](char letter) { return static_cast<unsigned char>(letter) >= 0x80; }, '?');
    return text;
}

Result<> Lines::write_if_due() {
    constexpr double kPauseUs = 200'000;
    return now_us() - written_us_ < kPauseUs ? Result<>(Ok{}) : flush();
}

Result<> Lines::flush() {
    for (size_t at = 0; at < waiting_.size();) {
        const ssize_t count = ::write(fd_, waiting_.data() + at, waiting_.size() - at);
        if (count < 0 && errno != EINTR) return Error::from_errno("write");
        if (count > 0) at += static_cast<size_t>(count);
    }
    waiting_.clear();
    written_us_ = now_us();
    return Ok{};
}
