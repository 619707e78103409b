#include "bench/stages.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "base/rapidjson.hpp"
#include "base/read_all.hpp"
#include "bench/statistics.hpp"

namespace {

constexpr size_t kFirstTraced = 1;  // in kStageNames

// When the stage ended, in microseconds from the process's start: a span ends after its duration,
// an instant where it is. Negative: `event` is something else.
double ended_us(const rapidjson::Value& event, const char* stage) {
    if (!event.IsObject()) return -1;
    const auto name = event.FindMember("name");
    const auto begin = event.FindMember("ts");
    const auto duration = event.FindMember("dur");
    const auto end = event.MemberEnd();
    if (name == end || !name->value.IsString() || begin == end || !begin->value.IsNumber())
        return -1;
    if (std::strcmp(name->value.GetString(), stage) != 0) return -1;
    const bool is_span = duration != end && duration->value.IsNumber();
    return begin->value.GetDouble() + (is_span ? duration->value.GetDouble() : 0);
}

Result<double> find_end_us(const rapidjson::Value& events, const char* stage) {
    for (const rapidjson::Value& event : events.GetArray())
        if (const double us = ended_us(event, stage); us >= 0) return us;
    return Error{"trace", EPROTO, "has no such stage"}.about(stage);
}

}  // namespace

Result<StageTimes> parse_stages(const std::string& trace, double first_output_us) {
    rapidjson::Document document;
    document.Parse(trace.data(), trace.size());
    if (document.HasParseError() || !document.IsObject())
        return Error{"trace", EPROTO, "is no JSON object"};
    if (!document.HasMember("traceEvents") || !document["traceEvents"].IsArray())
        return Error{"trace", EPROTO, "has no traceEvents"};
    StageTimes times{};
    double before_us = 0;
    for (size_t i = kFirstTraced; i < kStageNames.size(); ++i) {
        // A vCPU may mark its first exit before its creator has marked the vCPUs as created, and
        // the reader may have the first byte before its writer marks that.
        const double end_us = std::clamp(TRY(find_end_us(document["traceEvents"], kStageNames[i])),
                                         before_us, std::max(before_us, first_output_us));
        times[i] = end_us - before_us;
        before_us = end_us;
    }
    times[0] = first_output_us - before_us;
    return times;
}

Result<TracedMayfly> TracedMayfly::create(const std::string& mayfly) {
    UniqueFd trace(::memfd_create("trace", MFD_CLOEXEC));
    if (!trace) return Error::from_errno("memfd_create");
    return TracedMayfly(mayfly, std::move(trace));
}

Program TracedMayfly::program() const {
    return {.name = "traced mayfly",
            .words = {mayfly_, "run", "--trace", Program::kGivenFile, "--", "quiet"},
            .given_fd = trace_.get()};
}

Result<> TracedMayfly::add(double first_output_us) {
    if (::lseek(trace_.get(), 0, SEEK_SET) < 0) return Error::from_errno("lseek");
    const StageTimes times = TRY(parse_stages(TRY(read_all(trace_.get())), first_output_us));
    for (size_t i = 0; i < times.size(); ++i) stages_[i].samples_us.push_back(times[i]);
    return Ok{};
}

std::optional<MonitorAndGuest> monitor_and_guest(std::span<const StageSamples> stages) {
    // The guest runs once its vCPUs are there.
    constexpr size_t kGuestStages = 2;
    if (stages.empty() || stages.front().samples_us.empty()) return std::nullopt;
    const size_t runs = stages.front().samples_us.size();
    std::vector<double> monitor_us(runs);
    std::vector<double> guest_us(runs);
    for (size_t i = 0; i < stages.size(); ++i) {
        auto& sum = i + kGuestStages < stages.size() ? monitor_us : guest_us;
        for (size_t run = 0; run < runs; ++run) sum[run] += stages[i].samples_us[run];
    }
    return MonitorAndGuest{.monitor_us = median(monitor_us), .guest_us = median(guest_us)};
}

void print_stages(std::span<const StageSamples> stages) {
    std::printf(
        "\nstages of the traced one in us, one after the other from spawn to first output\n"
        "%-22s %9s %9s %9s\n",
        "stage", "median", "p99", "min");
    for (const StageSamples& stage : stages)
        std::printf("%-22s %9.0f %9.0f %9.0f\n", stage.name, median(stage.samples_us),
                    percentile(stage.samples_us, 99), percentile(stage.samples_us, 0));
}
