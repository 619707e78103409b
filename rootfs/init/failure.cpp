#include "rootfs/init/failure.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "rootfs/init/channel.hpp"
#include "rootfs/init/machine.hpp"

namespace {

constexpr uint8_t kStatusFailed = 125;

void say(const char* what, const char* subject, int error) {
    std::array<char, 512> line{};
    const int size =
        std::snprintf(line.data(), line.size(), "mayfly: init: %s%s%s%s%s\n",
                      subject == nullptr ? "" : subject, subject == nullptr ? "" : ": ", what,
                      error == 0 ? "" : ": ", error == 0 ? "" : std::strerror(error));
    const size_t length = std::min(static_cast<size_t>(size), line.size() - 1);
    // A channel of its own, so that whoever fails need not have one.
    Channel channel;
    if (!channel.open()) {
        const ssize_t written = ::write(STDERR_FILENO, line.data(), length);
        static_cast<void>(written);  // the console is the last resort
        return;
    }
    std::memcpy(channel.payload().data(), line.data(), length);
    channel.send(FrameType::kStderr, guest_abi::kFirstProgram, length);
}

}  // namespace

void fail(const char* what, const char* subject) {
    say(what, subject, errno);
    machine::end(kStatusFailed);
}

void warn(const char* what, const char* subject) {
    say(what, subject, errno);
}
