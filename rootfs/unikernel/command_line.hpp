// What the command line asks for: its words, parsed. README.md lists them.
#pragma once

#include <cstdint>

#include "abi/version.hpp"
#include "rootfs/unikernel/view.hpp"

enum class Ending : uint8_t { kExit, kReset, kPowerOff, kCrash, kLoop };

struct Request {
    bool silent = false;          // `silent`: neither the first line nor the report
    bool quiet = false;           // `quiet`: no report
    bool boot_signal = false;     // `boot-signal`
    bool echo = false;            // `echo`
    uint64_t fill_mib = 0;        // `fill=N`
    uint64_t disk_depth = 1;      // `disk-depth=N`: requests in flight
    uint64_t disk_reads = 0;      // `disk-reads=N`
    uint64_t disk_writes = 0;     // `disk-write=N`
    uint64_t disk_sums = 0;       // `disk-sum=N`
    uint64_t frame_bytes = 64;    // `frame-bytes=N`
    uint64_t frame_batch = 32;    // `frame-batch=N`: frames in flight
    uint64_t sent_frames = 0;     // `send-frames=N`
    uint64_t awaited_frames = 0;  // `receive-frames=N`
    uint64_t print_lines = 0;     // `print=N`
    uint64_t sum_bytes = 0;       // `sum=N`
    bool channel_echo = false;    // `channel-echo`
    uint64_t channel_lines = 0;   // `channel-print=N`
    uint64_t channel_version = guest_abi::kVersion;  // `channel-abi=N`; 0: says none
    uint64_t exit_status = 0;                        // `exit=N`
    Ending ending = Ending::kExit;

    bool uses_disk() const { return disk_reads + disk_writes + disk_sums != 0; }
    bool uses_channel() const { return channel_echo || channel_lines != 0; }
    bool uses_network() const { return sent_frames + awaited_frames != 0; }

    // The first word that is ours and whose number is not one or out of range; empty if all is
    // well.
    StringView refused;
};

// Words are parted by blanks and taken wherever they stand, before or after `--`. Of two that
// contradict each other the last one counts; words that are not ours are passed over. The Request
// points into `line`.
Request parse_command_line(StringView line);
