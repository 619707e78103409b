#include "rootfs/init/channel.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <termios.h>

#include "rootfs/init/machine.hpp"
#include "rootfs/unikernel/instructions.hpp"
#include "rootfs/unikernel/platform.hpp"

namespace {

int open_doorbell() {
    const int fd = ::open("/dev/ttyS1", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    termios mode{};
    if (fd < 0 || ::tcgetattr(fd, &mode) != 0) return -1;
    ::cfmakeraw(&mode);
    mode.c_cflag |= CLOCAL | CREAD;
    ::tcsetattr(fd, TCSANOW, &mode);
    return fd;
}

}  // namespace

bool Channel::open() {
    if (!machine::take_ports()) return false;
    const uint32_t address = in32(platform::kChannelBuffersPort);
    if (address == channel::kNobody) return false;
    buffers_ = machine::map_physical(address, 2 * channel::kBurstBytes);
    if (buffers_ == nullptr) return false;
    doorbell_ = open_doorbell();
    return true;
}

std::span<std::byte> Channel::payload() const {
    return std::span(buffers_, channel::kBurstBytes).subspan(channel::kHeaderBytes);
}

void Channel::send(FrameType type, size_t payload_bytes) const {
    const std::array<uint32_t, 2> header = {static_cast<uint32_t>(type),
                                            static_cast<uint32_t>(payload_bytes)};
    std::memcpy(buffers_, header.data(), channel::kHeaderBytes);
    out32(platform::kChannelPort, static_cast<uint32_t>(channel::kHeaderBytes + payload_bytes));
}

void Channel::send_number(FrameType type, uint32_t value) const {
    std::memcpy(payload().data(), &value, sizeof value);
    send(type, sizeof value);
}

void Channel::answer_doorbell() const {
    std::array<char, 64> rings{};
    while (doorbell_ >= 0 && ::read(doorbell_, rings.data(), rings.size()) > 0) {
    }
}

size_t Channel::fetch() {
    const uint32_t size = in32(platform::kChannelPort);
    return size > channel::kBurstBytes ? 0 : size;
}
