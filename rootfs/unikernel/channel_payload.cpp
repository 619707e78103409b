#include "rootfs/unikernel/channel.hpp"
#include "rootfs/unikernel/device_payload.hpp"
#include "rootfs/unikernel/instructions.hpp"
#include "rootfs/unikernel/pattern.hpp"
#include "rootfs/unikernel/serial.hpp"
#include "rootfs/unikernel/text.hpp"

namespace payload {
namespace {

constexpr uint64_t kLinesAtOnce = guest_abi::kMostPayloadBytes / kPatternLineBytes;

// As of a program that SIGPIPE has ended.
constexpr uint8_t kStatusNoReader = 141;

// The first kLinesAtOnce lines of the pattern again and again: what is measured is the channel.
// False: nobody takes them.
bool print(uint64_t lines, Channel& channel) {
    Text text(channel.payload());
    for (uint64_t i = 0; i < kLinesAtOnce && i < lines; ++i) add_pattern_line(i, text);
    for (uint64_t left = lines; left > 0;) {
        const uint64_t now = left < kLinesAtOnce ? left : kLinesAtOnce;
        if (!channel.send(now * kPatternLineBytes)) return false;
        left -= now;
    }
    return true;
}

uint64_t echo(Channel& channel) {
    uint64_t bytes = 0;
    for (;;) {
        StringView input = channel.receive();
        if (input.empty()) return bytes;
        bytes += input.size();
        while (!input.empty()) {
            const size_t now = input.size() < guest_abi::kMostPayloadBytes
                                   ? input.size()
                                   : guest_abi::kMostPayloadBytes;
            const View<char> payload = channel.payload();
            for (size_t i = 0; i < now; ++i) payload[i] = input[i];
            if (!channel.send(now)) return bytes;
            input = input.part(now, input.size() - now);
        }
    }
}

}  // namespace

uint8_t channel(const Request& request, const Surroundings& around) {
    Channel channel;
    if (!channel.open(static_cast<uint32_t>(request.channel_version))) {
        serial::write("no channel\n");
        return kStatusNoDevice;
    }
    const uint64_t start = read_tsc();
    if (request.channel_lines != 0 && !print(request.channel_lines, channel))
        return kStatusNoReader;
    if (request.channel_echo) {
        const uint64_t bytes = echo(channel);
        Text line(around.buffer);
        line.add("channel-echo: ").add(bytes).add(" bytes in ");
        around.clock.describe(read_tsc() - start, line);
        channel.complain(line.add("\n").view());
    }
    return 0;
}

}  // namespace payload
