#include "bench/channel.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <vector>

#include "bench/comparison.hpp"
#include "bench/flags.hpp"
#include "bench/interrupt.hpp"
#include "bench/program.hpp"

namespace {

constexpr uint64_t kDefaultMegabytes = 256;
constexpr uint64_t kMostMegabytes = 100'000;
constexpr uint64_t kDefaultRounds = 5;
constexpr uint64_t kMostRounds = 10'000;
constexpr int kTimeoutMs = 30'000;
constexpr uint64_t kMegabyte = 1'000'000;
constexpr uint64_t kGuestLineBytes = 64;  // rootfs/unikernel/README.md, `channel-print`
constexpr uint64_t kPieceBytes = 64 << 10;

constexpr Flag kFlags[] = {{"--megabytes"}, {"--rounds"}, {"--mayfly"}};

// Bytes a second of the program's output, from its first byte to its end: no start is counted.
Result<double> output_rate(const Program& program) {
    Process process = TRY(Process::start(program));
    TRY(process.first_output_us(kTimeoutMs));
    std::vector<char> piece(kPieceBytes);
    const double start_us = now_us();
    double bytes = 0;
    for (;;) {
        const ssize_t count = ::read(process.output_fd(), piece.data(), piece.size());
        if (count < 0 && errno != EINTR) return Error::from_errno("reading the output");
        if (count == 0) break;
        if (count > 0) bytes += static_cast<double>(count);
    }
    const double elapsed_us = now_us() - start_us;
    TRY(process.wait_for_success(kTimeoutMs));
    return bytes * 1e6 / elapsed_us;
}

}  // namespace

Result<> channel(std::span<const char* const> arguments) {
    const Options options = TRY(Options::parse(kFlags, arguments));
    const uint64_t megabytes =
        TRY(number_of(options, "--megabytes", kDefaultMegabytes, 1, kMostMegabytes));
    const uint64_t rounds = TRY(number_of(options, "--rounds", kDefaultRounds, 1, kMostRounds));
    const Program guest{
        .name = "mayfly run",
        .words = {
            TRY(path_of(options, "--mayfly", "mayfly")), "run", "--stdio", "channel", "--cmdline",
            "silent channel-print=" + std::to_string(megabytes * kMegabyte / kGuestLineBytes)}};
    // The same number of bytes from a process beside us, in pieces of a burst's size.
    const Program pipe{.name = "pipe",
                       .words = {"/bin/dd", "if=/dev/zero", "bs=" + std::to_string(kPieceBytes),
                                 "count=" + std::to_string(megabytes * kMegabyte / kPieceBytes)},
                       .errors = ErrorOutput::kDropped};
    TRY(check_kvm());
    watch_for_signals();
    std::printf(
        "bytes a second from a guest through the channel to a pipe, %llu MB each, %llu rounds; "
        "ratio of medians with its 95 %% interval\n",
        static_cast<unsigned long long>(megabytes), static_cast<unsigned long long>(rounds));
    print_heading("", "pipe alone");
    print_row("stdout",
              TRY(compare(
                  rounds, [&] { return output_rate(pipe); }, [&] { return output_rate(guest); })));
    return Ok{};
}
