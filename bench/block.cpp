#include "bench/block.hpp"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "bench/comparison.hpp"
#include "bench/disk_file.hpp"
#include "bench/flags.hpp"
#include "bench/guest_rate.hpp"
#include "bench/interrupt.hpp"
#include "bench/program.hpp"
#include "bench/uring.hpp"

namespace {

constexpr uint64_t kBlockBytes = 4096;
constexpr uint64_t kFileBytes = 1 << 30;
// A run of some tenths of a second, at the least: for each read in flight, and in all.
constexpr uint64_t kDefaultReads = 50'000;
constexpr uint64_t kMostDefaultReads = 400'000;
constexpr uint64_t kDefaultRounds = 5;
constexpr uint64_t kMostReads = 1'000'000'000;
constexpr uint64_t kMostRounds = 10'000;
constexpr uint64_t kMostDepth = 128;  // the guest's
constexpr unsigned kDefaultDepths[] = {1, 32};

constexpr char kReference[] = "io_uring";
constexpr Flag kFlags[] = {
    {"--depth"}, {"--reads"}, {"--rounds"}, {"--file"}, {"--mayfly"}, {"--results"},
};

struct Plan {
    std::vector<unsigned> depths;
    std::optional<uint64_t> reads;
    uint64_t rounds;
    std::string mayfly;
};

Result<Plan> make_plan(const Options& options) {
    Plan plan{.depths = {std::begin(kDefaultDepths), std::end(kDefaultDepths)},
              .reads = {},
              .rounds = TRY(number_of(options, "--rounds", kDefaultRounds, 1, kMostRounds)),
              .mayfly = TRY(path_of(options, "--mayfly", "mayfly"))};
    if (options.has("--reads")) plan.reads = TRY(number_of(options, "--reads", 1, 1, kMostReads));
    if (options.has("--depth"))
        plan.depths = {static_cast<unsigned>(TRY(number_of(options, "--depth", 1, 1, kMostDepth)))};
    return plan;
}

// The guest's generator, so that both read the same blocks in the same order
// (rootfs/unikernel/pattern.hpp).
class XorShift {
public:
    uint64_t next() {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        state_ ^= state_ << 17;
        return state_;
    }

private:
    uint64_t state_ = 88172645463325252;
};

// `count` reads through a new ring, `depth` always in flight; how many that is a second.
Result<double> read_rate(const DiskFile& file, uint64_t count, unsigned depth) {
    const std::unique_ptr<Uring> uring = TRY(Uring::create(depth, file.fd()));
    const uint64_t blocks = file.size_bytes() / kBlockBytes;
    std::vector<char> buffers(depth * kBlockBytes);
    XorShift random;
    uint64_t started = 0;
    const auto start_read = [&](uint64_t slot) {
        if (started == count) return;
        ++started;
        uring->add(slot, [&](io_uring_sqe* entry) {
            ::io_uring_prep_read(entry, 0, &buffers[slot * kBlockBytes], kBlockBytes,
                                 random.next() % blocks * kBlockBytes);
        });
    };

    const double start_us = now_us();
    for (uint64_t slot = 0; slot < depth; ++slot) start_read(slot);
    int result_that_failed = kBlockBytes;
    for (uint64_t done = 0; done < count;) {
        TRY(uring->submit_and_wait(1));
        done += uring->take_all([&](uint64_t slot, int result) {
            if (result != static_cast<int>(kBlockBytes)) result_that_failed = result;
            start_read(slot);
        });
    }
    const double elapsed_us = now_us() - start_us;
    if (result_that_failed < 0) return Error{"read", -result_that_failed};
    if (result_that_failed != static_cast<int>(kBlockBytes)) return Error{"read", EIO};
    return static_cast<double>(count) * 1e6 / elapsed_us;
}

Program guest(const Plan& plan, const DiskFile& file, uint64_t reads, unsigned depth) {
    return {
        .name = "mayfly run",
        .words = {plan.mayfly, "run", "--disk", file.path() + ",ro", "--", "quiet",
                  "disk-reads=" + std::to_string(reads), "disk-depth=" + std::to_string(depth)}};
}

Result<DiskFile> disk_file(const Options& options) {
    if (const char* const path = options.get("--file"); path != nullptr) {
        DiskFile file = TRY(DiskFile::open(path));
        if (file.size_bytes() < kBlockBytes)
            return Error{"--file", 0, "is less than a block of 4 KiB", file.size_bytes()};
        return file;
    }
    return DiskFile::create(kFileBytes);
}

Result<> measure(const Plan& plan, const DiskFile& file, Results& results) {
    print_heading("reads in flight", kReference);
    for (const unsigned depth : plan.depths) {
        const uint64_t reads =
            plan.reads.value_or(std::min(kDefaultReads * depth, kMostDefaultReads));
        const Program program = guest(plan, file, reads, depth);
        const Comparison comparison = TRY(compare(
            plan.rounds, [&] { return read_rate(file, reads, depth); },
            [&] { return guest_rate(program, "disk-reads"); }));
        print_row(std::to_string(depth).c_str(), comparison);
        const std::string figure = "4 KiB reads, " + std::to_string(depth) + " in flight";
        TRY(record(results, kReference, figure.c_str(), "1/s", comparison));
    }
    return Ok{};
}

}  // namespace

Result<> block(std::span<const char* const> arguments) {
    const Options options = TRY(Options::parse(kFlags, arguments));
    const Plan plan = TRY(make_plan(options));
    TRY(check_kvm());
    const DiskFile file = TRY(disk_file(options));
    TRY(file.read_all());
    watch_for_signals();
    std::printf(
        "random reads of 4 KiB a second, %llu rounds; ratio of medians with its 95 %% interval\n",
        static_cast<unsigned long long>(plan.rounds));
    return record_run(options.get("--results"),
                      {.command = "block", .arguments = arguments, .reference = kReference},
                      [&](Results& results) { return measure(plan, file, results); });
}
