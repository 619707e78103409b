#include "bench/results.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "base/calendar.hpp"
#include "base/json_writer.hpp"
#include "bench/machine_facts.hpp"

namespace {

constexpr std::string_view kFirstBytes = R"({"type":"run","format":"mayfly-bench/)";
constexpr char kFormat[] = "mayfly-bench/1";

std::string formatted(const char* format, time_t time) {
    const CalendarTime at = calendar_time(time);
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), format, at.year, at.month, at.day, at.hour, at.minute,
                  at.second);
    return text.data();
}

std::string date(time_t time) {
    return formatted("%04d-%02d-%02dT%02d:%02d:%02dZ", time);
}

// No two runs have the same, on whichever machines.
std::string new_run_name(time_t time) {
    uint16_t chance = 0;
    // Without it a run is still told apart by its time and process.
    static_cast<void>(::getrandom(&chance, sizeof(chance), 0));
    std::array<char, 32> tail{};
    std::snprintf(tail.data(), tail.size(), "-%d-%04x", ::getpid(), chance);
    return formatted("%04d%02d%02dT%02d%02d%02dZ", time) + tail.data();
}

// Another file than ours is not written to. A line that a full disk cut off is ended.
Result<> make_ready(int file) {
    struct stat status {};
    if (::fstat(file, &status) != 0) return Error::from_errno("fstat");
    if (!S_ISREG(status.st_mode) || status.st_size == 0) return Ok{};
    std::array<char, kFirstBytes.size()> first{};
    const ssize_t got = ::pread(file, first.data(), first.size(), 0);
    if (got != static_cast<ssize_t>(first.size()) ||
        std::memcmp(first.data(), kFirstBytes.data(), first.size()) != 0)
        return Error{"--results", EEXIST, "it is no results file; name another"};
    char last = 0;
    if (::pread(file, &last, 1, status.st_size - 1) != 1) return Error::from_errno("pread");
    if (last != '\n' && ::write(file, "\n", 1) != 1) return Error::from_errno("write");
    return Ok{};
}

Result<UniqueFd> open_results(const char* path) {
    UniqueFd file(::open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644));
    if (!file) return Error::from_errno("--results").about(path);
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0)
        return Error{"--results", EBUSY, "another measurement writes to it"}.about(path);
    const auto ready = make_ready(file.get());
    if (!ready.ok()) return ready.error().about(path);
    return file;
}

void write_machine(JsonWriter& out, const MachineFacts& facts) {
    out.object("machine", [&] {
        out.text("kernel", facts.kernel);
        out.text("cpu", facts.cpu);
        out.number("cpus", facts.cpus);
        out.number("memory_kib", facts.memory_kib);
        out.text("kvm", facts.kvm);
        out.boolean("is_virtual", facts.is_virtual);
        out.real("load", facts.load);
    });
}

void write_subject(JsonWriter& out, const char* program, const char* guest) {
    out.text("program", program);
    out.text("guest", guest);
}

}  // namespace

// --- Records ------------------------------------------------------------------------------------

template <typename Fill>
Result<> Results::record(const char* type, Fill fill) {
    if (!file_) return Ok{};
    JsonWriter out;
    out.text("type", type);
    fill(out);
    out.text("run", run_);
    return append(out.finish() + "\n");
}

Result<Results> Results::create(const char* path, const RunDescription& run) {
    if (path == nullptr) return Results("", UniqueFd(), {});
    const time_t now = std::time(nullptr);
    Results results(path, TRY(open_results(path)), new_run_name(now));
    TRY(results.record("run", [&](JsonWriter& out) {
        out.text("format", kFormat);
        out.text("command", run.command);
        out.texts("arguments", run.arguments);
        out.text("started", date(now));
        out.text("reference", run.reference);
        write_machine(out, MachineFacts::read());
    }));
    return results;
}

Result<> Results::program(const Program& program, const char* guest, std::string_view version) {
    return record("program", [&](JsonWriter& out) {
        write_subject(out, program.name.c_str(), guest);
        out.text("version", version);
        out.texts("words", program.words);
    });
}

Result<> Results::samples(const char* program, const char* guest, const char* figure,
                          const char* unit, std::span<const double> samples) {
    return record("samples", [&](JsonWriter& out) {
        write_subject(out, program, guest);
        out.text("figure", figure);
        out.text("unit", unit);
        out.reals("samples", samples);
    });
}

Result<> Results::stages(const char* program, const char* guest,
                         std::span<const StageSamples> stages) {
    return record("stages", [&](JsonWriter& out) {
        write_subject(out, program, guest);
        out.text("unit", "us");
        out.array("stages", stages, [&](const StageSamples& stage) {
            out.text("name", stage.name);
            out.reals("samples", stage.samples_us);
        });
    });
}

Result<> Results::density(const char* program, const char* guest, uint64_t guest_memory_kib,
                          std::span<const DensityPoint> points) {
    return record("density", [&](JsonWriter& out) {
        write_subject(out, program, guest);
        out.number("guest_memory_kib", guest_memory_kib);
        out.array("points", points, [&](const DensityPoint& point) {
            out.number("vms", point.vms);
            out.real("process_kib", point.process_kib);
            out.real("kernel_kib", point.kernel_kib);
        });
    });
}

Result<> Results::rate(const char* program, const char* guest, uint64_t in_flight,
                       std::span<const double> starts_per_second) {
    return record("rate", [&](JsonWriter& out) {
        write_subject(out, program, guest);
        out.number("in_flight", in_flight);
        out.text("unit", "1/s");
        out.reals("samples", starts_per_second);
    });
}

Result<> Results::absent(const char* program, const char* guest, std::string_view reason) {
    return record("absent", [&](JsonWriter& out) {
        write_subject(out, program, guest);
        out.text("reason", reason);
    });
}

Result<> Results::end(const Result<>& outcome) {
    std::array<char, 512> reason{};
    const char* word = "complete";
    if (!outcome.ok()) {
        format_error(outcome.error(), reason);
        word = outcome.error().code == EINTR ? "interrupted" : "failed";
    }
    return record("end", [&](JsonWriter& out) {
        out.text("ended", date(std::time(nullptr)));
        out.text("outcome", word);
        out.text("reason", reason.data());
    });
}

// --- The file -----------------------------------------------------------------------------------

Result<> Results::append(std::string_view line) const {
    struct stat before {};
    if (::fstat(file_.get(), &before) != 0) return Error::from_errno("fstat").about(path_);
    for (size_t at = 0; at < line.size();) {
        const ssize_t count = ::write(file_.get(), line.data() + at, line.size() - at);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) {
            const Error error = Error::from_errno("results", "what was finished before is kept");
            // Half a record is worth nothing.
            if (S_ISREG(before.st_mode) && ::ftruncate(file_.get(), before.st_size) != 0)
                return Error::from_errno("ftruncate").about(path_);
            return error.about(path_);
        }
        at += static_cast<size_t>(count);
    }
    return Ok{};
}

Result<> record_run(const char* path, const RunDescription& run,
                    const std::function<Result<>(Results&)>& measure) {
    Results results = TRY(Results::create(path, run));
    const auto outcome = measure(results);
    const auto ended = results.end(outcome);
    return outcome.ok() ? ended : outcome;
}
