#include "bench/api.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "base/options.hpp"
#include "bench/api_memory.hpp"
#include "bench/api_vm.hpp"
#include "bench/flags.hpp"
#include "bench/memory_folder.hpp"
#include "bench/program.hpp"
#include "bench/statistics.hpp"
#include "bench/tap.hpp"

namespace {

constexpr uint64_t kDefaultRuns = 300;
constexpr uint64_t kDefaultWarmUp = 20;
constexpr uint64_t kDefaultRequests = 500;
constexpr uint64_t kMost = 1'000'000;
constexpr off_t kDiskBytes = 16 << 20;
constexpr char kTap[] = "mfbench2";
// From the line of --ready-fd to the first request: a client that took a process from a pool.
constexpr useconds_t kIdleUs = 5'000;
// The kernel goes on taking TAP and ring down after their process has been reaped.
constexpr useconds_t kSettleUs = 20'000;

constexpr Flag kFlags[] = {
    {"--runs"}, {"--warm-up"}, {"--requests"}, {"--mayfly"}, {"--floor"}, {"--kernel"},
};

struct Plan {
    uint64_t runs;
    uint64_t warm_up;
    uint64_t requests;
    std::string mayfly;
    Program floor;
    std::string socket_path;
    std::string kernel;
    std::vector<ApiRequest> start_requests{};
};

// What the rounds measure, in microseconds; a sample of each for every round.
struct Samples {
    std::vector<double> floor;         // spawn to first output
    std::vector<double> ready;         // spawn to the line of --ready-fd
    std::vector<double> answered;      // spawn to the answer to GET /, asked when that line came
    std::vector<double> first_output;  // first request to first output
    // Each request's own time to its answer; the last, InstanceStart, to the first output.
    std::vector<std::vector<double>> requests;
};

Result<Plan> make_plan(const Options& options, const MemoryFolder& folder) {
    const char* const kernel = options.get("--kernel");
    Plan plan{
        .runs = TRY(number_of(options, "--runs", kDefaultRuns, 1, kMost)),
        .warm_up = TRY(number_of(options, "--warm-up", kDefaultWarmUp, 0, kMost)),
        .requests = TRY(number_of(options, "--requests", kDefaultRequests, 1, kMost)),
        .mayfly = TRY(path_of(options, "--mayfly", "mayfly")),
        .floor = {.name = "floor", .words = {TRY(path_of(options, "--floor", "mayfly-floor"))}},
        .socket_path = folder.path() + "/api.sock",
        .kernel = kernel != nullptr ? kernel : TRY(beside_this_program("../rootfs/unikernel.elf"))};
    if (::access(plan.kernel.c_str(), R_OK) != 0)
        return Error::from_errno("--kernel", "build the unikernel, or give its path");
    return plan;
}

Result<> run_floor(const Plan& plan, std::vector<double>& samples) {
    Process process = TRY(Process::start(plan.floor));
    samples.push_back(TRY(process.first_output_us(kApiTimeoutMs)));
    TRY(process.wait_for_success(kApiTimeoutMs));
    return Ok{};
}

// The process is killed and reaped in the end.
Result<> run_to_ready(const Plan& plan, Samples& samples) {
    const ApiVm vm = TRY(ApiVm::start(plan.mayfly, plan.socket_path));
    samples.ready.push_back(TRY(vm.ready_us()));
    HttpClient client = TRY(vm.connect());
    TRY(client.ask({.method = "GET", .path = "/", .body = {}}, 200));
    samples.answered.push_back(now_us() - vm.process().started_us());
    return Ok{};
}

Result<> run_requests(const Plan& plan, Samples& samples) {
    ApiVm vm = TRY(ApiVm::start(plan.mayfly, plan.socket_path));
    TRY(vm.ready_us());
    ::usleep(kIdleUs);
    HttpClient client = TRY(vm.connect());
    const double start_us = now_us();
    double last_us = start_us;
    for (size_t i = 0; i < plan.start_requests.size(); ++i) {
        TRY(client.send(format_request(plan.start_requests[i])));
        // The guest may say something before InstanceStart is answered.
        if (i + 1 == plan.start_requests.size())
            TRY(vm.process().first_output_us(kApiTimeoutMs));
        else
            TRY(client.receive(204));
        const double arrived_us = now_us();
        samples.requests[i].push_back(arrived_us - last_us);
        last_us = arrived_us;
    }
    samples.first_output.push_back(last_us - start_us);
    TRY(client.receive(204));
    TRY(vm.process().wait_for_success(kApiTimeoutMs));
    ::usleep(kSettleUs);
    return Ok{};
}

// There and back (A B C C B A), as in series.hpp. What the last leaves behind meets itself or
// waits.
Result<> run_round(const Plan& plan, bool forth, Samples& samples) {
    for (int i = 0; i < 3; ++i) {
        switch (forth ? i : 2 - i) {
            case 0:
                TRY(run_floor(plan, samples.floor));
                break;
            case 1:
                TRY(run_to_ready(plan, samples));
                break;
            default:
                TRY(run_requests(plan, samples));
        }
    }
    return Ok{};
}

Result<Samples> run_rounds(const Plan& plan) {
    const auto none = [&] {
        Samples samples{};
        samples.requests.resize(plan.start_requests.size());
        return samples;
    };
    Samples samples = none();
    for (uint64_t round = 0; round < plan.warm_up + plan.runs; ++round) {
        if (round == plan.warm_up) samples = none();
        TRY(run_round(plan, round % 2 == 0, samples));
    }
    return samples;
}

void print_row(const char* name, const std::vector<double>& samples,
               const std::vector<double>& floor) {
    const Interval interval = ratio_interval(samples, floor);
    std::printf("%-30.30s %9.0f %9.0f %9.0f %7.2f [%5.2f .. %5.2f]\n", name, median(samples),
                percentile(samples, 99), percentile(samples, 0), median(samples) / median(floor),
                interval.low, interval.high);
}

void print_plain_row(const std::string& name, const std::vector<double>& samples) {
    std::printf("%-30.30s %9.0f %9.0f %9.0f\n", name.c_str(), median(samples),
                percentile(samples, 99), percentile(samples, 0));
}

void print_rounds(const Plan& plan, const Samples& samples) {
    std::printf(
        "us, %zu runs each; floors: ratio of medians to the first line, with its 95 %% interval\n",
        samples.floor.size());
    std::printf("%-30s %9s %9s %9s %7s\n", "from spawn", "median", "p99", "min", "floors");
    print_row("floor, first output", samples.floor, samples.floor);
    print_row("API ready", samples.ready, samples.floor);
    print_row("GET / answered", samples.answered, samples.floor);
    std::printf("from the first request\n");
    const std::string what = std::to_string(plan.start_requests.size()) + " requests, first output";
    print_row(what.c_str(), samples.first_output, samples.floor);
    for (size_t i = 0; i < plan.start_requests.size(); ++i)
        print_plain_row("  " + plan.start_requests[i].path, samples.requests[i]);
}

// `request` again and again on one connection.
Result<std::vector<double>> answer_times(HttpClient& client, const ApiRequest& request,
                                         int expected, uint64_t count) {
    const std::string text = format_request(request);
    std::vector<double> times;
    times.reserve(count);
    for (uint64_t i = 0; i < count; ++i) {
        const double sent_us = now_us();
        TRY(client.send(text));
        TRY(client.receive(expected));
        times.push_back(now_us() - sent_us);
    }
    return times;
}

Result<> measure_requests(const Plan& plan) {
    const ApiVm vm = TRY(ApiVm::start(plan.mayfly, plan.socket_path));
    TRY(vm.ready_us());
    HttpClient client = TRY(vm.connect());
    const auto get =
        TRY(answer_times(client, {.method = "GET", .path = "/", .body = {}}, 200, plan.requests));
    const ApiRequest machine{.method = "PUT",
                             .path = "/machine-config",
                             .body = R"({"vcpu_count":1,"mem_size_mib":128})"};
    const auto put = TRY(answer_times(client, machine, 204, plan.requests));
    std::printf("on a kept connection, %zu times each\n", get.size());
    print_plain_row("GET /", get);
    print_plain_row("PUT /machine-config", put);
    return Ok{};
}

// With a path: the API's thread may not look into other processes, as DiskFile's path would have
// it.
Result<std::string> make_disk(const MemoryFolder& folder) {
    std::string path = folder.path() + "/disk";
    const UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file) return Error::from_errno("disk");
    if (::ftruncate(file.get(), kDiskBytes) != 0) return Error::from_errno("ftruncate");
    return path;
}

// A NIC needs a right that its lack does not end the measurement for.
std::optional<PersistentTap> make_tap() {
    auto tap = PersistentTap::create(kTap);
    if (tap.ok()) return std::move(tap).value();
    char line[256];
    format_error(tap.error(), line);
    std::printf("without a NIC, and so with one request less: %s\n", line);
    return {};
}

}  // namespace

Result<> api(std::span<const char* const> arguments) {
    const Options options = TRY(Options::parse(kFlags, arguments));
    const MemoryFolder folder = TRY(MemoryFolder::create());
    Plan plan = TRY(make_plan(options, folder));
    TRY(check_kvm());
    const std::string disk = TRY(make_disk(folder));
    {
        const std::optional<PersistentTap> tap = make_tap();
        plan.start_requests = requests_for({.kernel = plan.kernel,
                                            .boot_args = "quiet",
                                            .drive = disk,
                                            .tap = tap.has_value() ? kTap : ""});
        print_rounds(plan, TRY(run_rounds(plan)));
    }
    TRY(measure_requests(plan));
    return print_api_memory(plan.mayfly, plan.kernel, plan.socket_path);
}
