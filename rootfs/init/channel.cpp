#include "rootfs/init/channel.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <termios.h>

#include "abi/machine.hpp"
#include "abi/version.hpp"
#include "rootfs/init/machine.hpp"
#include "rootfs/unikernel/instructions.hpp"

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
    const uint32_t address = in32(guest_abi::kChannelBuffersPort);
    if (address == guest_abi::kNobody) return false;
    buffers_ = machine::map_physical(address, 2 * guest_abi::kBurstBytes);
    if (buffers_ == nullptr) return false;
    doorbell_ = open_doorbell();
    send_number(FrameType::kHello, guest_abi::kFirstProgram, guest_abi::kVersion);
    return true;
}

std::span<std::byte> Channel::payload() const {
    return std::span(buffers_, guest_abi::kBurstBytes).subspan(sizeof(FrameHeader));
}

void Channel::send(FrameType type, uint16_t stream, size_t payload_bytes) const {
    const FrameHeader header{type, stream, static_cast<uint32_t>(payload_bytes)};
    std::memcpy(buffers_, &header, sizeof header);
    out32(guest_abi::kChannelPort, static_cast<uint32_t>(sizeof header + payload_bytes));
}

void Channel::send_number(FrameType type, uint16_t stream, uint32_t value) const {
    std::memcpy(payload().data(), &value, sizeof value);
    send(type, stream, sizeof value);
}

void Channel::answer_doorbell() const {
    std::array<char, 64> rings{};
    while (doorbell_ >= 0 && ::read(doorbell_, rings.data(), rings.size()) > 0) {
    }
}

size_t Channel::fetch() {
    const uint32_t size = in32(guest_abi::kChannelPort);
    return size > guest_abi::kBurstBytes ? 0 : size;
}
