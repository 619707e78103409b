#include "rootfs/unikernel/command_line.hpp"

#include <cstddef>

#include "rootfs/unikernel/disk.hpp"
#include "rootfs/unikernel/frame.hpp"

namespace {

constexpr uint64_t kMaxStatus = 255;
constexpr uint64_t kMaxCount = uint64_t{1} << 40;  // no sum or product of counts overflows

struct Number {
    uint64_t value;
    bool ok;
};

Number parse_number(StringView digits, uint64_t max) {
    uint64_t value = 0;
    for (const char c : digits) {
        if (c < '0' || c > '9') return {0, false};
        value = value * 10 + static_cast<uint64_t>(c - '0');
        if (value > max) return {0, false};
    }
    return {value, !digits.empty()};
}

// Takes `word` if it is one of those without a number.
void take_plain_word(StringView word, Request& request) {
    if (word == "silent") request.silent = true;
    if (word == "quiet") request.quiet = true;
    if (word == "boot-signal") request.boot_signal = true;
    if (word == "echo") request.echo = true;
    if (word == "channel-echo") request.channel_echo = true;
    if (word == "reset") request.ending = Ending::kReset;
    if (word == "poweroff") request.ending = Ending::kPowerOff;
    if (word == "crash") request.ending = Ending::kCrash;
    if (word == "loop") request.ending = Ending::kLoop;
}

struct NumberWord {
    StringView name;
    uint64_t Request::*value = nullptr;
    uint64_t least = 0;
    uint64_t most = 0;
};

constexpr NumberWord kNumberWords[] = {
    {"fill", &Request::fill_mib, 0, kMaxCount},
    {"disk-depth", &Request::disk_depth, 1, Disk::kMostSlots},
    {"disk-reads", &Request::disk_reads, 0, kMaxCount},
    {"disk-write", &Request::disk_writes, 0, kMaxCount},
    {"disk-sum", &Request::disk_sums, 0, kMaxCount},
    {"frame-bytes", &Request::frame_bytes, kLeastFrameBytes, kMostFrameBytes},
    {"frame-batch", &Request::frame_batch, 1, kMostFramesInFlight},
    {"send-frames", &Request::sent_frames, 0, kMaxCount},
    {"receive-frames", &Request::awaited_frames, 0, kMaxCount},
    {"print", &Request::print_lines, 0, kMaxCount},
    {"sum", &Request::sum_bytes, 0, kMaxCount},
    {"channel-print", &Request::channel_lines, 0, kMaxCount},
    {"channel-abi", &Request::channel_version, 0, UINT32_MAX},
    {"exit", &Request::exit_status, 0, kMaxStatus},
};

// Takes `name=value` if it is one of ours.
void take_number(StringView word, size_t equals, Request& request) {
    const StringView name = word.part(0, equals);
    for (const NumberWord& known : kNumberWords) {
        if (!(name == known.name)) continue;
        const Number number =
            parse_number(word.part(equals + 1, word.size() - equals - 1), known.most);
        if (!number.ok || number.value < known.least) {
            if (request.refused.empty()) request.refused = word;
            return;
        }
        request.*known.value = number.value;
        if (known.value == &Request::exit_status) request.ending = Ending::kExit;
    }
}

}  // namespace

Request parse_command_line(StringView line) {
    Request request;
    size_t at = 0;
    while (at < line.size()) {
        size_t end = at;
        size_t equals = 0;
        while (end < line.size() && line[end] != ' ') {
            if (equals == 0 && line[end] == '=') equals = end - at;
            ++end;
        }
        const StringView word = line.part(at, end - at);
        if (equals == 0) {
            take_plain_word(word, request);
        } else {
            take_number(word, equals, request);
        }
        at = end + 1;
    }
    return request;
}
