#include "bench/net.hpp"

#include <sys/uio.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "bench/comparison.hpp"
#include "bench/flags.hpp"
#include "bench/guest_rate.hpp"
#include "bench/interrupt.hpp"
#include "bench/program.hpp"
#include "bench/tap.hpp"
#include "bench/uring.hpp"

namespace {

constexpr char kOwnTap[] = "mfbench0";
constexpr char kGuestTap[] = "mfbench1";
constexpr size_t kFrameBytes[] = {64, 1500};
constexpr size_t kHeaderBytes = 12;  // virtio_net_hdr_v1, all zero: the frame is as it is
constexpr size_t kNumberAt = kHeaderBytes + 14;

constexpr uint64_t kDefaultFrames = 500'000;
constexpr uint64_t kDefaultBatch = 32;
constexpr uint64_t kDefaultRounds = 5;
constexpr uint64_t kMostFrames = 1'000'000'000;
constexpr uint64_t kMostBatch = 128;  // the guest's
constexpr uint64_t kMostRounds = 10'000;

constexpr char kReference[] = "io_uring";
constexpr Flag kFlags[] = {{"--frames"}, {"--batch"}, {"--rounds"}, {"--mayfly"}, {"--results"}};

struct Plan {
    uint64_t frames;
    unsigned batch;
    uint64_t rounds;
    std::string mayfly;
};

Result<Plan> make_plan(const Options& options) {
    return Plan{.frames = TRY(number_of(options, "--frames", kDefaultFrames, 1, kMostFrames)),
                .batch = static_cast<unsigned>(
                    TRY(number_of(options, "--batch", kDefaultBatch, 1, kMostBatch))),
                .rounds = TRY(number_of(options, "--rounds", kDefaultRounds, 1, kMostRounds)),
                .mayfly = TRY(path_of(options, "--mayfly", "mayfly"))};
}

// The guest's frame but for the source (rootfs/unikernel/frame.hpp), with the header before it.
std::vector<char> make_frame(size_t bytes) {
    std::vector<char> frame(kHeaderBytes + bytes);
    std::fill_n(&frame[kHeaderBytes], 6, '\xff');
    frame[kHeaderBytes + 6] = 2;  // a source that is locally administered
    frame[kHeaderBytes + 12] = '\x88';
    frame[kHeaderBytes + 13] = '\xb5';
    return frame;
}

// `count` frames through a new ring, in batches; how many that is a second.
Result<double> send_rate(int tap, const Plan& plan, size_t frame_bytes) {
    const std::unique_ptr<Uring> uring = TRY(Uring::create(plan.batch, tap));
    std::vector<std::vector<char>> frames(plan.batch, make_frame(frame_bytes));
    std::vector<iovec> pieces(plan.batch);
    for (unsigned i = 0; i < plan.batch; ++i) pieces[i] = {frames[i].data(), frames[i].size()};

    int error = 0;
    const double start_us = now_us();
    for (uint64_t started = 0; started < plan.frames;) {
        const auto batch =
            static_cast<unsigned>(std::min<uint64_t>(plan.batch, plan.frames - started));
        for (unsigned i = 0; i < batch; ++i) {
            std::memcpy(&frames[i][kNumberAt], &started, sizeof started);
            ++started;
            uring->add(i, [&](io_uring_sqe* entry) {
                ::io_uring_prep_writev(entry, 0, &pieces[i], 1, 0);
            });
        }
        for (unsigned done = 0; done < batch;) {
            TRY(uring->submit_and_wait(batch - done));
            done += uring->take_all([&](uint64_t, int result) {
                if (result < 0) error = -result;
            });
        }
    }
    const double elapsed_us = now_us() - start_us;
    if (error != 0) return Error{"writing to the TAP", error};
    return static_cast<double>(plan.frames) * 1e6 / elapsed_us;
}

Program guest(const Plan& plan, size_t frame_bytes) {
    return {.name = "mayfly run",
            .words = {plan.mayfly, "run", "--net", std::string("tap=") + kGuestTap, "--", "quiet",
                      "send-frames=" + std::to_string(plan.frames),
                      "frame-bytes=" + std::to_string(frame_bytes),
                      "frame-batch=" + std::to_string(plan.batch)}};
}

Result<> measure(const Plan& plan, Results& results) {
    const UniqueFd own = TRY(open_tap(kOwnTap));
    const PersistentTap guests = TRY(PersistentTap::create(kGuestTap));
    print_heading("bytes of a frame", kReference);
    for (const size_t bytes : kFrameBytes) {
        const Program program = guest(plan, bytes);
        const Comparison comparison = TRY(compare(
            plan.rounds, [&] { return send_rate(own.get(), plan, bytes); },
            [&] { return guest_rate(program, "send-frames"); }));
        print_row(std::to_string(bytes).c_str(), comparison);
        const std::string figure = "frames of " + std::to_string(bytes) + " bytes";
        TRY(record(results, kReference, figure.c_str(), "1/s", comparison));
    }
    return Ok{};
}

}  // namespace

Result<> net(std::span<const char* const> arguments) {
    const Options options = TRY(Options::parse(kFlags, arguments));
    const Plan plan = TRY(make_plan(options));
    TRY(check_kvm());
    watch_for_signals();
    std::printf(
        "frames a second into a TAP, %llu each, %u in flight, %llu rounds; ratio of medians "
        "with its 95 %% interval\n",
        static_cast<unsigned long long>(plan.frames), plan.batch,
        static_cast<unsigned long long>(plan.rounds));
    return record_run(options.get("--results"),
                      {.command = "net", .arguments = arguments, .reference = kReference},
                      [&](Results& results) { return measure(plan, results); });
}
