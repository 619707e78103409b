#include "bench/guest_rate.hpp"

#include <unistd.h>

#include <charconv>
#include <optional>
#include <x86intrin.h>

#include "bench/probe.hpp"

namespace {

constexpr int kTimeoutMs = 300'000;
constexpr useconds_t kCalibrationUs = 200'000;

// Takes a number off the front of `text`.
std::optional<uint64_t> take_number(std::string_view& text) {
    uint64_t number = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (code != std::errc{}) return {};
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    return number;
}

bool take(std::string_view& text, std::string_view expected) {
    if (!text.starts_with(expected)) return false;
    text.remove_prefix(expected.size());
    return true;
}

// `line` without its newline, and without the word and its colon.
std::optional<GuestTime> parse_line(std::string_view line) {
    const std::optional<uint64_t> count = take_number(line);
    const size_t in = line.find(" in ");
    if (!count || in == std::string_view::npos) return {};
    line.remove_prefix(in + 4);
    const std::optional<uint64_t> time = take_number(line);
    if (!time) return {};
    GuestTime result{*count, *time, GuestTime::Unit::kMicroseconds, 0};
    if (take(line, " ticks")) {
        result.unit = GuestTime::Unit::kTicks;
    } else if (!take(line, " us")) {
        return {};
    }
    if (line.empty()) return result;
    if (!take(line, ", ")) return {};
    const std::optional<uint64_t> failed = take_number(line);
    if (!failed || line != " failed") return {};
    result.failed = *failed;
    return result;
}

double measure_ticks_per_us() {
    const double start_us = now_us();
    const uint64_t start = __rdtsc();
    ::usleep(kCalibrationUs);
    const double end_us = now_us();
    const uint64_t end = __rdtsc();
    return static_cast<double>(end - start) / (end_us - start_us);
}

class GuestRate : public Probe {
public:
    GuestRate(PlannedProgram planned, std::string word)
        : planned_(std::move(planned)), word_(std::move(word)) {}

    Result<std::vector<double>> measure(uint64_t) override {
        return std::vector<double>{TRY(guest_rate(planned_.program, word_))};
    }

private:
    PlannedProgram planned_;
    std::string word_;
};

double in_us(const GuestTime& time) {
    const auto value = static_cast<double>(time.time);
    return time.unit == GuestTime::Unit::kTicks ? value / ticks_per_us() : value;
}

}  // namespace

Result<GuestTime> parse_guest_time(std::string_view output, std::string_view word) {
    while (!output.empty()) {
        const size_t end = output.find('\n');
        if (end == std::string_view::npos) break;  // it was cut off: its number may be, too
        std::string_view line = output.substr(0, end);
        output.remove_prefix(end + 1);
        if (!take(line, word) || !take(line, ": ")) continue;
        const std::optional<GuestTime> time = parse_line(line);
        if (!time || time->count == 0 || time->time == 0) break;
        return *time;
    }
    return Error{"output of the guest", EPROTO, "does not say how long it took"};
}

double ticks_per_us() {
    static const double measured = measure_ticks_per_us();
    return measured;
}

Result<double> guest_rate(const Program& program, std::string_view word) {
    Process process = TRY(Process::start(program));
    const Process::End end = TRY(process.wait_for_success(kTimeoutMs));
    const GuestTime time = TRY(parse_guest_time(end.output, word));
    if (time.failed != 0) return Error{"requests that failed", EIO, nullptr, time.failed};
    return static_cast<double>(time.count) * 1e6 / in_us(time);
}

Result<std::unique_ptr<Probe>> make_guest_rate(const Fields& fields) {
    PlannedProgram planned = TRY(PlannedProgram::create(fields.object("program")));
    return std::unique_ptr<Probe>(new GuestRate(std::move(planned), fields.text("word")));
}
